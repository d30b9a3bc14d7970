"""Calls to addresses that people gave: none to where only we can reach, none that lasts."""

from __future__ import annotations

import time

import pytest

from apps.core import outgoing
from apps.core.outgoing import AddressRefused, Unreachable
from tests.stand_in import StandIn

INSIDE = [
    "https://127.0.0.1/", "https://[::1]/", "https://0/", "https://2130706433/", "https://0x7f.1/", "https://017700000001/",
    "https://169.254.169.254/latest", "https://100.64.0.1/", "https://192.0.0.8/", "https://198.18.0.1/",
    "https://240.0.0.1/", "https://224.0.0.1/", "https://10.1.2.3/", "https://[fc00::1]/", "https://[fe80::1]/",
    "https://[::ffff:10.0.0.1]/", "https://[::ffff:8.8.8.8]/", "https://[64:ff9b::808:808]/", "https://[2002:808:808::1]/",
    "https://[2001::1]/", "https://[2001:db8::1]/", "https://localhost./", "https://localhost/",
]  # fmt: skip
WRONG = [
    "http://8.8.8.8/", "https://8.8.8.8:22/", "https://a@8.8.8.8/", "https://8.8.8.8/#x", "file:///etc/passwd",
    "gopher://8.8.8.8/", "https://", "//8.8.8.8/", "https://8.8.8.8\\@x/", "https://127。0。0。1/", "https://8.8.8.8:99999/",
    "https://a b/", "https://a\r\nb/", "",
]  # fmt: skip


@pytest.fixture
def stand_in(settings):
    settings.OUTGOING_ALLOWED = ["127.0.0.1/32"]
    with StandIn() as server:
        yield server


@pytest.mark.parametrize("url", INSIDE + WRONG)
def test_g1_an_address_is_refused_when_it_is_saved_and_when_it_is_called(url):
    with pytest.raises(AddressRefused):
        outgoing.refuse_address(url)
    with pytest.raises(AddressRefused):
        outgoing.send("GET", url)


def test_g1_what_is_public_or_allowed_may_be_saved(settings):
    outgoing.refuse_address("https://vault.example.com:8443/v1")
    outgoing.refuse_address("https://8.8.8.8/")
    settings.OUTGOING_ALLOWED = ["10.0.0.0/8"]
    outgoing.refuse_address("http://10.0.0.9:8200/")
    with pytest.raises(AddressRefused):
        outgoing.refuse_address("https://127.0.0.1/")


def test_g2_all_addresses_of_a_name_are_judged_and_the_judged_one_is_called(stand_in, monkeypatch):
    def resolve(*found):
        def answer(host, port, *_, **__):
            return [(2, 1, 6, "", (one, port)) for one in found]

        monkeypatch.setattr("socket.getaddrinfo", answer)

    resolve("8.8.8.8", "10.0.0.1")
    with pytest.raises(AddressRefused, match="lies inside"):
        outgoing.send("GET", "https://two.example/")

    resolve("127.0.0.1")
    stand_in.answers["/x"] = (200, {"ok": True})
    assert outgoing.send("GET", f"http://once.example:{stand_in.port}/x?a=1").status == 200
    assert stand_in.requests[-1].headers["Host"] == f"once.example:{stand_in.port}"
    assert stand_in.requests[-1].target == "/x?a=1"


def test_g3_a_redirect_is_not_followed(stand_in):
    stand_in.answers["/a"] = (302, {}, {"Location": f"{stand_in.url}/b"})

    assert outgoing.send("GET", f"{stand_in.url}/a").status == 302
    assert [one.target for one in stand_in.requests] == ["/a"]


def test_g4_neither_an_endless_nor_a_slow_answer_lasts(stand_in):
    stand_in.answers["/huge"] = (200, b"x" * 70_000)
    stand_in.answers["/drip"] = stand_in.drip
    began = time.monotonic()

    with pytest.raises(Unreachable, match="more than 65536 bytes"):
        outgoing.send("GET", f"{stand_in.url}/huge")
    with pytest.raises(Unreachable, match=r"did not answer within 0\.5 seconds"):
        outgoing.send("GET", f"{stand_in.url}/drip?token=canary", seconds=0.5)

    assert time.monotonic() - began < 4


def test_what_does_not_answer_is_told_without_path_or_query(stand_in):
    stand_in.answers["/cut"] = stand_in.cut
    with pytest.raises(Unreachable) as cut:
        outgoing.send("GET", f"{stand_in.url}/cut?token=canary")
    stand_in.close()
    with pytest.raises(Unreachable, match="refused the connection") as gone:
        outgoing.send("GET", f"{stand_in.url}/a?token=canary")

    assert "canary" not in f"{cut.value}{gone.value}"
