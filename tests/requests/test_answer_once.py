"""A request under an idempotency key is answered once, however often it arrives."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, connections, transaction
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone
from rest_framework.response import Response

from apps.core import tokens
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, NotAllowed, NotFound, Unavailable
from apps.requests import rules, services
from apps.requests.models import IdempotencyRecord
from apps.requests.services import AskedOnce, InFlight, KeyReused, SecretShownOnce
from apps.requests.views import answer_once, body_hash

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.core.api.urls")]

ANN = Actor("service", "ann", "ann")
PATH = "/api/test/records"


@pytest.fixture
def caller():
    return Client(headers={"X-Test-Caller": "ann"})


def create(client, name="invoices", *, key="k-1", path=PATH, **headers):
    body = json.dumps({"name": name})
    return client.post(path, body, content_type="application/json", headers={"Idempotency-Key": key, **headers})


def made(name="invoices"):
    return IdempotencyRecord.objects.filter(principal__startswith="ann/", key=name).count()


def ask(call, *, key="k-1", data=None, actor=ANN, path="/x", **headers):
    """Ask through the door as a plain view does."""
    request = RequestFactory().post(path, headers={"Idempotency-Key": key, **headers})
    return answer_once(call, request=request, actor=actor, data={} if data is None else data)


class Counted:
    """A handler that knows how often it was called."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.calls = 0

    def __call__(self):
        self.calls += 1
        answer = self.answers[min(self.calls, len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_the_same_request_again_makes_nothing_and_gets_the_same_answer(caller):
    first = create(caller)
    again = create(caller)

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert first.headers["Content-Type"] == again.headers["Content-Type"]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert made() == 1


def test_without_a_key_every_request_makes_something(caller):
    body = json.dumps({"name": "invoices"})
    answers = [caller.post(PATH, body, content_type="application/json") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert made() == 2


def test_the_slash_at_the_end_makes_no_other_request(caller):
    create(caller)

    assert create(caller, path=f"{PATH}/").headers["Idempotency-Replayed"] == "true"


def test_another_body_under_the_same_key_is_refused(caller):
    create(caller)

    response = create(caller, "orders")

    assert response.status_code == 409
    assert response.json()["code"] == "idempotency_key_reused"
    assert made("orders") == 0


def test_another_address_under_the_same_key_is_refused(caller):
    create(caller)

    assert create(caller, path="/api/test/echo").json()["code"] == "idempotency_key_reused"


@pytest.mark.parametrize("header", ["X-Folder-ID", "X-Tenant"])
def test_another_place_under_the_same_key_is_refused(caller, header):
    create(caller)

    assert create(caller, **{header: "elsewhere"}).json()["code"] == "idempotency_key_reused"


def test_spelling_the_same_body_otherwise_is_the_same_request(caller):
    create(caller)

    response = caller.post(
        PATH, b'{ "name" :"invoices" }', content_type="application/json", headers={"Idempotency-Key": "k-1"}
    )

    assert response.headers["Idempotency-Replayed"] == "true"


def test_the_same_key_of_another_caller_is_another_key(caller):
    create(caller)

    response = create(caller, **{"X-Test-Caller": "bob"})

    assert response.status_code == 201
    assert "Idempotency-Replayed" not in response.headers


def test_the_same_key_for_another_tenant_is_another_key():
    tenants = [Actor("service", "ann", "ann", tenant_id=number) for number in (1, 2)]

    assert rules.principal_of(tenants[0]) != rules.principal_of(tenants[1])
    assert rules.principal_of(ANN) == "service:ann"


@pytest.mark.parametrize("key", ["", " ", "a\tb", "x" * 256, "schlüssel", " a", "a "])
def test_a_key_that_is_none_is_refused(key):
    with pytest.raises(Invalid) as caught:
        ask(Counted(HttpResponse()), key=key)

    assert caught.value.problems[0].code == "bad_idempotency_key"


@pytest.mark.parametrize("key", ["a", "x" * 255, "~!@# {}", '"quoted"'])
def test_a_key_is_any_printable_text(key):
    ask(Counted(HttpResponse()), key=key)

    assert IdempotencyRecord.objects.get().key == key


def test_a_refusal_is_repeated_too():
    call = Counted(Conflict("It is running.", code="illegal_transition"), HttpResponse(status=201))

    first, again = ask(call), ask(call)

    assert (first.status_code, again.status_code, call.calls) == (409, 409, 1)
    assert first.content == again.content
    assert again.headers["Content-Type"] == "application/problem+json"


def test_what_was_done_before_a_refusal_is_undone():
    def call():
        IdempotencyRecord.objects.filter(key="other").update(status_code=204)
        raise NotFound("There is no such job.")

    ask(Counted(HttpResponse(status=201)), key="other")
    ask(call)

    assert IdempotencyRecord.objects.get(key="other").status_code == 201


@pytest.mark.parametrize("error", [NotAllowed("You may not."), Unavailable("Not now.")])
def test_refusals_that_may_pass_are_raised_and_not_kept(error):
    call = Counted(error, HttpResponse(status=201))
    with pytest.raises(type(error)):
        ask(call)

    assert ask(call).status_code == 201


def test_a_fault_of_ours_is_raised_and_not_kept():
    call = Counted(ZeroDivisionError(), HttpResponse(status=201))
    with pytest.raises(ZeroDivisionError):
        ask(call)

    assert ask(call).status_code == 201


@pytest.mark.parametrize("status", [401, 403, 408, 425, 429, 500, 503])
def test_answers_that_are_not_final_are_not_kept(status):
    call = Counted(HttpResponse(status=status), HttpResponse(status=201))
    ask(call)

    assert ask(call).status_code == 201


@pytest.mark.parametrize("status", [200, 201, 202, 204, 400, 404, 409, 410, 413, 416, 422])
def test_final_answers_are_kept(status):
    call = Counted(HttpResponse(status=status), HttpResponse(status=201))
    ask(call)

    assert ask(call).status_code == status
    assert call.calls == 1


def test_a_refused_caller_may_use_the_key_again_once_allowed(caller):
    refused = create(Client(), key="k-9")
    allowed = create(caller, key="k-9")

    assert (refused.status_code, allowed.status_code) == (401, 201)


def test_malformed_input_takes_no_key(caller):
    response = caller.post(PATH, b"{", content_type="application/json", headers={"Idempotency-Key": "k-1"})

    assert response.status_code == 400
    assert not IdempotencyRecord.objects.exists()


def test_headers_that_say_where_and_which_are_kept():
    answer = JsonResponse({}, status=201, headers={"Location": "/jobs/1", "ETag": '"x"', "X-Trace": "1"})
    call = Counted(answer)
    ask(call)

    again = ask(call)

    assert (again.headers["Location"], again.headers["ETag"]) == ("/jobs/1", '"x"')
    assert "X-Trace" not in again.headers


def test_rest_frameworks_answer_is_kept_as_it_was_sent():
    call = Counted(Response({"name": "é"}, status=201, headers={"Location": "/jobs/1"}))

    first, again = ask(call), ask(call)

    assert first.content == again.content == '{"name":"é"}'.encode()
    assert first.headers["Location"] == again.headers["Location"]


def test_an_answer_without_a_body_is_kept():
    call = Counted(Response(status=204))

    assert (ask(call).content, ask(call).content) == (b"", b"")


def test_a_streamed_answer_is_not_kept():
    call = Counted(StreamingHttpResponse([b"x"]))

    ask(call)
    ask(call)

    assert call.calls == 2


def test_a_token_in_an_answer_is_never_kept():
    token = str(tokens.generate("u"))
    call = Counted(JsonResponse({"token": token}, status=201, headers={"Location": "/keys/1"}))
    first = ask(call)

    with pytest.raises(SecretShownOnce) as caught:
        ask(call)

    assert token in first.content.decode()
    assert bytes(IdempotencyRecord.objects.get().body) == b""
    assert caught.value.extra["location"] == "/keys/1"
    assert call.calls == 1


def test_a_view_may_say_that_its_answer_holds_a_secret():
    response = Response({"password": "once"}, status=201)
    response.holds_secret = True
    ask(Counted(response))

    assert bytes(IdempotencyRecord.objects.get().body) == b""


def test_the_key_is_free_again_when_its_time_is_over():
    call = Counted(HttpResponse(b"1", status=201), HttpResponse(b"2", status=201))
    ask(call)
    IdempotencyRecord.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    assert ask(call, data={"other": "body"}).content == b"2"
    assert IdempotencyRecord.objects.count() == 1


def test_a_record_is_kept_for_a_day():
    ask(Counted(HttpResponse()))

    record = IdempotencyRecord.objects.get()
    assert record.expires_at - record.created_at == timedelta(hours=24)


def test_an_upload_is_known_by_its_content_and_not_by_its_separators(caller):
    def send(content, name="a.zip"):
        file = SimpleUploadedFile(name, content, "application/zip")
        return caller.post("/api/test/upload", {"name": "x", "file": file}, headers={"Idempotency-Key": "k-1"})

    send(b"PK" * 700)

    assert send(b"PK" * 700).headers["Idempotency-Replayed"] == "true"
    assert send(b"PK" * 699).json()["code"] == "idempotency_key_reused"
    assert send(b"PK" * 700, "b.zip").json()["code"] == "idempotency_key_reused"


def test_hashing_a_file_winds_it_back():
    from django.utils.datastructures import MultiValueDict

    file = SimpleUploadedFile("a.zip", b"PK" * 100_000)
    body_hash(RequestFactory().post("/x"), MultiValueDict({"file": [file]}))

    assert file.read() == b"PK" * 100_000


def test_what_is_kept_of_a_body_cannot_be_guessed_without_the_key(settings):
    request = RequestFactory().post("/x")
    kept = body_hash(request, {"pin": "1234"})

    settings.TOKEN_PEPPER = "another"

    assert body_hash(request, {"pin": "1234"}) != kept


def test_bytes_can_be_a_body_too():
    request = RequestFactory().post("/x")

    assert body_hash(request, b"a") != body_hash(request, b"b")


def test_a_plain_view_answers_once_too(caller):
    def post(body=b'{"a": 1}'):
        headers = {"Idempotency-Key": "k-1"}
        return caller.post("/api/test/plain-once", body, content_type="application/json", headers=headers)

    first, again = post(), post()

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["Location"] == "/made/1"
    assert post(b'{"a": 2}').status_code == 409


def test_an_address_open_to_all_has_no_keys():
    headers = {"Idempotency-Key": "k-1"}

    response = Client().post("/api/test/open", b"{}", content_type="application/json", headers=headers)

    assert response.status_code == 200
    assert not IdempotencyRecord.objects.exists()


def test_nothing_is_remembered_of_what_only_reads(caller):
    caller.get(PATH, headers={"Idempotency-Key": "k-1"})

    assert not IdempotencyRecord.objects.exists()


@pytest.mark.django_db(transaction=True)
class TestAtTheSameTime:
    """Requests that overlap, each in a thread and a transaction of its own."""

    def test_while_the_first_is_being_answered_the_second_is_told_to_wait(self):
        begun, go_on = threading.Event(), threading.Event()

        def slow():
            begun.set()
            go_on.wait(20)
            return HttpResponse(b"first", status=201)

        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(in_own_connection, lambda: ask(slow))
            begun.wait(20)
            with pytest.raises(InFlight) as caught:
                ask(Counted(HttpResponse(b"second", status=201)))
            go_on.set()
            answer = first.result(20)

        assert caught.value.extra["retry_after"] == 1
        assert answer.content == b"first"
        assert ask(Counted(HttpResponse(b"third"))).content == b"first"

    def test_in_flight_is_a_409_that_says_when_to_come_again(self, caller):
        key = "idempotency service:ann k-1"
        with ThreadPoolExecutor(1) as pool, transaction.atomic():
            lock(key)
            response = pool.submit(in_own_connection, lambda: create(caller)).result(20)

        assert (response.status_code, response.json()["code"]) == (409, "in_flight")
        assert response.headers["Retry-After"] == "1"

    def test_of_many_at_once_exactly_one_makes_something(self, caller):
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: in_own_connection(lambda: create(caller)), range(24)))

        codes = {answer.status_code for answer in answers}
        assert codes <= {201, 409}
        assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {"in_flight"}
        assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
        assert made() == 1

    def test_different_keys_do_not_wait_for_one_another(self):
        begun, go_on = threading.Event(), threading.Event()

        def slow():
            begun.set()
            go_on.wait(20)
            return HttpResponse(status=201)

        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(in_own_connection, lambda: ask(slow, key="k-1"))
            begun.wait(20)
            other = ask(Counted(HttpResponse(status=202)), key="k-2")
            go_on.set()

            assert (other.status_code, first.result(20).status_code) == (202, 201)

    def test_after_a_failure_the_key_is_free_at_once(self):
        with pytest.raises(ZeroDivisionError):
            ask(Counted(ZeroDivisionError()))

        assert ask(Counted(HttpResponse(status=201))).status_code == 201

    def test_a_process_killed_before_the_commit_leaves_neither_work_nor_record(self):
        child = subprocess.Popen(
            [sys.executable, "-c", WORK_AND_STALL], stdout=subprocess.PIPE, env=child_environment()
        )
        assert child.stdout.readline() == b"working\n"
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()

        response = eventually(lambda: ask(Counted(HttpResponse(b"again", status=201))))

        assert response.content == b"again"
        assert not IdempotencyRecord.objects.filter(principal="work").exists()


def in_own_connection(work):
    try:
        return work()
    finally:
        connections.close_all()


def lock(name):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])


def eventually(work):
    """Repeat while the database has not yet noticed that the other side is gone."""
    for _ in range(100):
        try:
            return work()
        except InFlight:
            time.sleep(0.05)
    return work()


def child_environment():
    return {**os.environ, "TEST_DATABASE": connection.settings_dict["NAME"]}


WORK_AND_STALL = """
import os, sys, time
import django
from django.conf import settings
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
settings.DATABASES["default"]["NAME"] = os.environ["TEST_DATABASE"]
django.setup()
from django.http import HttpResponse
from django.test import RequestFactory
from apps.core.actors import Actor
from apps.requests.views import answer_once
from tests.core.api.doors import make_record

def work():
    make_record("done", principal="work")
    print("working", flush=True)
    time.sleep(60)
    return HttpResponse(status=201)

request = RequestFactory().post("/x", headers={"Idempotency-Key": "k-1"})
answer_once(work, request=request, actor=Actor("service", "ann", "ann"), data={})
"""


def asked(**changes):
    return AskedOnce(**{"key": "k-1", "method": "POST", "path": "/x", "body_hash": "0" * 64} | changes)


def test_a_key_can_only_be_taken_in_a_transaction(transactional_db):
    with pytest.raises(RuntimeError, match="transaction"):
        services.find_answer(asked(), actor=ANN)


@pytest.mark.parametrize("change", [{"method": "PUT"}, {"path": "/y"}, {"body_hash": "1" * 64}])
def test_a_key_belongs_to_one_request(change):
    answer = services.GivenAnswer(201, "application/json", b"{}")
    services.keep_answer(asked(), actor=ANN, answer=answer)

    with pytest.raises(KeyReused):
        services.find_answer(asked(**change), actor=ANN)
