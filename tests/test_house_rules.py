"""The rules of the house that no linter knows."""

from __future__ import annotations

import ast
import inspect
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import models

from apps.core.models import InTenant, SameTenant, TenantRow
from apps.core.states import Stateful

ROOT = Path(__file__).parent.parent
APPS = ROOT / "apps"
OURS = [config.label for config in apps.get_app_configs() if config.name.startswith("apps.")]
#: What changes rows through the ORM.
WRITES = {"save", "create", "update", "delete", "bulk_create", "bulk_update", "get_or_create", "update_or_create"}
WRITES |= {"move_to", "move_all_to"}

# Who is let off a rule, and why. Nothing else is.
WORDS = "a word that every service speaks: it is the permission, or the writing down, itself"
READ = "it only reads"
CREDENTIAL = "whoever holds the machine's key may; it is checked here"
TRAFFIC = "the traffic of robots: its history is the executions, and what they hold by then"
BELOW = "the trail lies below the floor that knows permissions; only the system's ticks call it"
BY_AGE = "what goes by its age is written down once for each run, by whoever runs it"
COUNTED = "a try counts, in a transaction of its own, before its password is looked at: a refusal must not undo that"
OWN_SESSION = "it takes a session of the person it is about, which nobody else can have"
HOUSEKEEPING = "the system's own upkeep, which changes nothing that anybody has made"
OUTBOX = "the row of the mail is the note of what became of it"
END_OF_A_JOB = "part of the end of a job or an execution, for which the permission was asked"
CALLS_OTHERS = "it may call others over the network, for which no transaction waits; it asks first, and writes it down"
NOT_OPERATIONS = {
    "accounts.note_use": "part of proving who calls: whoever holds the key has used it",
    "accounts.write_uses": "it writes what was counted while callers proved who they are",
    "accounts.usage_of": READ,
    "audit.has_met_address": READ,
    "audit.meet_address": WORDS,
    "audit.forget_addresses": BELOW,
    "audit.record": WORDS,
    "audit.record_each": WORDS,
    "audit.record_refusal": WORDS,
    "events.record": WORDS,
    "events.record_each": WORDS,
    "rbac.allows": WORDS,
    "rbac.refuse_suspended": WORDS,
    "rbac.require": WORDS,
    "rbac.visible": WORDS,
    "accounts.change_password": COUNTED,
    "accounts.confirm_sign_in": COUNTED,
    "accounts.prove_password": COUNTED,
    "accounts.require_fresh_sign_in": READ,
    "accounts.require_password": COUNTED,
    "accounts.put_password": "part of the operations that give somebody a password; it saves nothing",
    "audit.drop_entries_before": BELOW,
    "audit.seal_entries": BELOW,
    "audit.append": BELOW,
    "audit.bundle": READ,
    "audit.contents_of": READ,
    "accounts.explain_access": READ,
    "accounts.explained_kinds": READ,
    "accounts.row_named": READ,
    "audit.hash_of": READ,
    "audit.heads": READ,
    "audit.now": READ,
    "audit.position": READ,
    "audit.signed_head": READ,
    "audit.signed_heads": READ,
    "audit.signer": READ,
    "audit.takes_turn": BELOW,
    "audit.text_of": READ,
    "audit.oldest_unsealed_at": READ,
    "audit.verify_seals": READ,
    "console.file_facts": READ,
    "console.lines": READ,
    "encryption.flaws_of_keys": READ,
    "encryption.has_signed": READ,
    "encryption.public_keys": READ,
    "encryption.sign": "the word by which the trail has its seals signed; it changes nothing",
    "encryption.flaws_of_secrets": READ,
    "events.newest": READ,
    "events.read_after": READ,
    "mail.link_to": READ,
    "mail.send_due": "a mail server must not be waited for in a transaction; what it takes and notes are operations",
    "jobs.find_child": READ,
    "jobs.find_lease": READ,
    "jobs.problems_of_wanted": READ,
    "jobs.require_open": READ,
    "packages.open_file": READ,
    "packages.storage": READ,
    "packages.upload_folder": READ,
    "packages.version_for_robot": READ,
    "rbac.assignments_at": READ,
    "rbac.explain": READ,
    "rbac.granting_at": READ,
    "rbac.held_assignments": READ,
    "tenancy.exceeded": READ,
    "tenancy.room_for": "part of making what is limited, for which the permission was asked",
    "tenancy.stay_within": "part of making what is limited, for which the permission was asked",
    "tenancy.uses_of": READ,
    "rbac.holds_everything": READ,
    "rbac.lasts": READ,
    "rbac.permissions_held": READ,
    "rbac.reach": READ,
    "rbac.tenants_where": READ,
    "queues.added_before": READ,
    "queues.find_lease": READ,
    "queues.find_leases": READ,
    "queues.refuse_closed": READ,
    "queues.taken_references": READ,
    "queues.held_files": READ,
    "rbac.visible_assignments": READ,
    "rbac.visible_groups": READ,
    "rbac.visible_members": READ,
    "rbac.visible_roles": READ,
    "retention.drop_periods": "each partition goes in a transaction of its own; what it notes and ends are operations",
    "requests.find_answer": READ,
    "robots.machine_of_key": "it reads whose key this is, and notes that it was used",
    "runner.find_asset": READ,
    "runner.value_of": READ,
    "runner.sync_robot": "one autocommit statement for robots without work; only a yes opens a transaction",
    "assets.deliver_asset": CALLS_OTHERS,
    "assets.reveal_asset": CALLS_OTHERS,
    "assets.try_store": CALLS_OTHERS,
    "runner.deliver_secret": CALLS_OTHERS,
    "jobs.advance_tick": "one autocommit statement: the heartbeat of the plane itself",
}
ASKS_NO_PERMISSION = {
    "console.note_export": "it spans tenants: it asks where the actor may, and refuses whoever may nowhere",
    "accounts.sign_in": "who signs in has proved who they are, and holds nothing before",
    "accounts.sign_out_others": OWN_SESSION,
    "robots.enrol_robot": CREDENTIAL,
    "robots.meet_machine": CREDENTIAL,
    "robots.register_robot": CREDENTIAL,
    "robots.renew_derived_token": CREDENTIAL,
    "mail.queue_mail": "part of the operation that has something to tell, for which the permission was asked",
    "requests.keep_answer": "part of the request whose answer it keeps",
    "requests.delete_expired": HOUSEKEEPING,
    "queues.adopt_items": END_OF_A_JOB,
    "queues.finish_items": "its items may be of several queues: it asks about each, before anything is changed",
    "queues.free_items": END_OF_A_JOB,
    "queues.lease_reserved": "part of the claim of a job, for which the permission was asked",
    "queues.reserve_items": "its items may be of several queues: it asks about each, before anything is changed",
    "queues.settle_execution": END_OF_A_JOB,
}
WRITES_NOTHING_DOWN = {
    "mail.queue_mail": OUTBOX,
    "mail.take_due": OUTBOX,
    "mail.note_sent": OUTBOX,
    "mail.note_failed": OUTBOX,
    "mail.give_up_old": OUTBOX,
    "mail.forget_old_mail": BY_AGE,
    "accounts.forget_uses": HOUSEKEEPING,
    "jobs.append_lines": TRAFFIC,
    "jobs.append_log": TRAFFIC,
    "jobs.record_spans": TRAFFIC,
    "jobs.renew_leases": TRAFFIC,
    "jobs.watch_log": "reading a log changes nothing of it; its robot only sends it sooner",
    "runner.next_job": TRAFFIC,
    "runner.note_presence": TRAFFIC,
    "runner.note_receipt": TRAFFIC,
    "runner.settle_job": TRAFFIC,
    "runner.set_asset": "the service of the asset that it calls writes down what was set",
    "runner.take_items": "the service of the queue that it calls writes down what was taken",
    "jobs.hold_execution": "it changes nothing: it keeps things as they are for whoever calls it",
    "rbac.replace_roles": "giving and taking away, which it calls, write down each role",
    "assets.ensure_own_stores": HOUSEKEEPING,
    "console.note_role_seen": HOUSEKEEPING,
    "console.install_ticks": HOUSEKEEPING,
    "accounts.forget_ended_sessions": HOUSEKEEPING,
    "jobs.ensure_plane": HOUSEKEEPING,
    "jobs.forget_ended_tokens": HOUSEKEEPING,
    "jobs.forget_old_artefacts": BY_AGE,
    "jobs.forget_old_bulk_changes": BY_AGE,
    "jobs.forget_old_jobs": BY_AGE,
    "queues.forget_old_item_changes": BY_AGE,
    "queues.forget_old_items": BY_AGE,
    "retention.note_going": BY_AGE,
    "retention.prune_batch": BY_AGE,
    "triggers.forget_old_firings": BY_AGE,
    "jobs.note_sweep": HOUSEKEEPING,
    "queues.forget_uploads": HOUSEKEEPING,
    "rbac.ensure_builtin_roles": HOUSEKEEPING,
    "requests.delete_expired": HOUSEKEEPING,
    "requests.keep_answer": HOUSEKEEPING,
    "robots.forget_old_sessions": HOUSEKEEPING,
}


WRITES_EVENTS = re.compile(r"INSERT INTO events_event|insert_sql\(")


def rooms(name):
    """The files of a room, whether it is one module or a package of that name."""
    return [*sorted(APPS.glob(f"*/{name}.py")), *sorted(APPS.glob(f"*/{name}/**/*.py"))]


def room_ids(paths):
    return [pytest.param(path, id=str(path.relative_to(APPS))) for path in paths]


@cache
def parsed(path):
    return ast.parse(path.read_text())


def functions_of(path):
    return [node for node in parsed(path).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def app_of(path):
    return path.relative_to(APPS).parts[0]


def public_functions():
    return {
        f"{app_of(path)}.{node.name}": (path, node)
        for path in rooms("services")
        if not path.name.startswith("_")
        for node in functions_of(path)
        if not node.name.startswith("_")
    }


def operations(*, except_for=()):
    return [
        pytest.param(path, node, id=name)
        for name, (path, node) in public_functions().items()
        if name not in NOT_OPERATIONS and name not in except_for
    ]


def statements(function):
    """What a function does, after its docstring."""
    return function.body[1:] if ast.get_docstring(function) is not None else function.body


def calls_in(node):
    return {ast.unparse(call.func) for call in ast.walk(node) if isinstance(call, ast.Call)}


def asks_first(function, path):
    """Whether the first thing is the question for permission: here, or in the one function of ours it hands on to."""
    first = statements(function)[0]
    if isinstance(first, ast.If):  # Asked of everybody but the row's own user.
        first = first.body[0]
    if isinstance(first, ast.Return) and isinstance(first.value, ast.Call) and isinstance(first.value.func, ast.Name):
        named = [one for one in functions_of(path) if one.name == first.value.func.id]
        return bool(named) and asks_first(named[0], path)
    return ast.unparse(first).startswith(("rbac.require(actor, ", "require(actor, "))


def reached_from(function, path):
    """Every call a function makes, through the private functions of its app's services."""
    private = private_functions(app_of(path))
    seen, todo = set(), [function]
    while todo:
        for call in calls_in(todo.pop()) - seen:
            seen.add(call)
            todo += [private[call]] if call in private else []
    return seen


@cache
def private_functions(app):
    """The functions of an app's services that only they call, by each name they go by."""
    return {
        name: node
        for room in rooms("services")
        if app_of(room) == app
        for node in functions_of(room)
        for name in (node.name, f"{room.stem}.{node.name}")
        if node.name.startswith("_") or room.name.startswith("_")
    }


@pytest.mark.parametrize(("path", "operation"), operations())
class TestEveryOperation:
    def test_is_one_transaction(self, path, operation):
        decorators = [ast.unparse(one) for one in operation.decorator_list]

        assert any(one.startswith("transaction.atomic") for one in decorators)

    def test_takes_at_most_its_subject_in_place_and_all_else_by_name(self, path, operation):
        assert len(operation.args.posonlyargs + operation.args.args) <= 1
        assert operation.args.vararg is None

    def test_takes_an_actor_by_name_and_has_no_default_for_it(self, path, operation):
        named = zip(operation.args.kwonlyargs, operation.args.kw_defaults, strict=True)

        assert [default for argument, default in named if argument.arg == "actor"] == [None]

    def test_says_what_it_is_for(self, path, operation):
        assert ast.get_docstring(operation)


@pytest.mark.parametrize(("path", "operation"), operations(except_for=ASKS_NO_PERMISSION))
def test_every_operation_asks_for_permission_first(path, operation):
    assert asks_first(operation, path)


@pytest.mark.parametrize(("path", "operation"), operations(except_for=WRITES_NOTHING_DOWN))
def test_every_operation_writes_down_what_it_did(path, operation):
    written = {"audit.record", "events.record", "events.record_each"}

    # Where speed counts, the SQL of the room writes the events in the statement that makes them true.
    assert reached_from(operation, path) & written or WRITES_EVENTS.search(path.read_text())


@pytest.mark.parametrize("exempt", [NOT_OPERATIONS, ASKS_NO_PERMISSION, WRITES_NOTHING_DOWN])
def test_nobody_is_let_off_who_is_not_there(exempt):
    assert sorted(set(exempt) - set(public_functions())) == []


@pytest.mark.parametrize("path", room_ids([path for path in rooms("services") if path.name != "__init__.py"]))
def test_every_service_and_what_it_raises_says_what_it_is_for(path):
    public = [
        node
        for node in parsed(path).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]

    assert [node.name for node in public if not ast.get_docstring(node)] == []


DOORS = ("views", "admin", "tasks", "live", "receivers", "management")


@pytest.mark.parametrize("path", room_ids([path for door in DOORS for path in rooms(door)]))
def test_doors_never_write(path):
    calls = [node.func for node in ast.walk(parsed(path)) if isinstance(node, ast.Call)]
    written = {call.attr for call in calls if isinstance(call, ast.Attribute) and is_of_rows(call)} & WRITES

    assert written == set()


def is_of_rows(call):
    """Whether a call looks like one on a row or a queryset, and not on a dictionary, a set or a service."""
    owner = ast.unparse(call.value)
    return call.attr not in {"update", "create", "delete"} or ".objects" in owner or "_manager" in owner


@pytest.mark.parametrize("path", room_ids(rooms("serializers")))
def test_serializers_never_write(path):
    defined = {node.name for node in ast.walk(parsed(path)) if isinstance(node, ast.FunctionDef)}
    called = {
        node.func.attr
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }

    assert defined & {"save", "create", "update", "delete"} == set()
    assert called & {"save", "bulk_create", "bulk_update", "get_or_create", "move_to", "move_all_to"} == set()


OUR_MODELS = [model for model in apps.get_models() if model._meta.app_label in OURS]
OUR_KEYS = [
    pytest.param(model, field, id=f"{model._meta.label}.{field.name}")
    for model in OUR_MODELS
    for field in model._meta.local_fields
    if isinstance(field, models.ForeignKey)
]


def has_tenant(model):
    return any(field.name == "tenant" for field in model._meta.local_fields) and issubclass(model, TenantRow)


@pytest.mark.parametrize(("model", "field"), OUR_KEYS)
def test_a_key_between_rows_of_tenants_cannot_cross_them(model, field):
    is_between = has_tenant(model) and has_tenant(field.related_model)

    assert isinstance(field, InTenant) is is_between


def names_tenant(model):
    return any(field.name == "tenant" for field in model._meta.local_fields)


@pytest.mark.parametrize(
    ("model", "field"),
    [key for key in OUR_KEYS if names_tenant(key.values[0]) and has_tenant(key.values[1].related_model)],
)
def test_a_key_that_stays_in_its_tenant_is_held_there_by_the_database(model, field):
    held = {one.field for one in model._meta.constraints if isinstance(one, SameTenant)}
    pointed_at = {
        tuple(one.fields) for one in field.related_model._meta.constraints if isinstance(one, models.UniqueConstraint)
    }

    assert field.name in held
    assert ("tenant", "id") in pointed_at


@pytest.mark.parametrize("model", [pytest.param(model, id=model._meta.label) for model in OUR_MODELS])
class TestEveryModel:
    def test_has_a_random_free_time_ordered_key(self, model):
        key = model._meta.pk

        assert isinstance(key, models.UUIDField)
        assert key.name == "id"

    def test_says_what_it_is_for(self, model):
        written = inspect.getdoc(model) or ""

        assert written
        assert not written.startswith(f"{model.__name__}(")  # What Django says where nobody did.

    def test_overrides_neither_save_nor_delete(self, model):
        assert not {"save", "delete", "clean"} & set(vars(model))


STATEFUL = [pytest.param(model, id=model._meta.label) for model in OUR_MODELS if issubclass(model, Stateful)]


@pytest.mark.parametrize("model", STATEFUL)
class TestEveryModelWithStates:
    def test_has_a_line_for_every_state(self, model):
        states = {value for value, _ in model._meta.get_field("status").choices}

        assert set(model.TRANSITIONS) == states
        assert set().union(*model.TRANSITIONS.values()) <= states

    def test_lets_the_database_know_its_states(self, model):
        checks = [one for one in model._meta.constraints if isinstance(one, models.CheckConstraint)]

        assert [one.name for one in checks if one.name.endswith("_status_known")]


@pytest.mark.django_db
def test_models_and_migrations_agree():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@pytest.mark.parametrize("path", room_ids(sorted(APPS.glob("*/migrations/0*.py"))))
def test_migrations_know_no_app_but_the_ground_floor(path):
    imported = [node for node in ast.walk(parsed(path)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [alias.name for node in imported for alias in node.names]
    names += [node.module or "" for node in imported if isinstance(node, ast.ImportFrom)]

    assert [name for name in names if name.startswith("apps.") and not name.startswith("apps.core")] == []


def contracts():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]


def test_every_app_has_its_rooms_checked():
    checked = {container for contract in contracts() for container in contract.get("containers", [])}
    made = {f"apps.{path.parent.name}" for path in APPS.glob("*/apps.py")}

    assert made - {"apps.core"} <= checked
    assert all(contract.get("exhaustive") for contract in contracts() if "containers" in contract)


def test_every_app_has_its_floor():
    ladder = next(contract for contract in contracts() if contract.get("containers") == ["apps"])
    floors = {name.strip() for layer in ladder["layers"] for name in layer.split("|")}

    assert floors == {path.parent.name for path in APPS.glob("*/apps.py")}


@pytest.mark.parametrize("path", room_ids([*rooms("models"), *rooms("services"), *rooms("rules")]))
def test_no_model_tells_others_by_signal(path):
    assert "signals" not in path.read_text().replace("signals_of", "")


@pytest.mark.parametrize("path", room_ids([path for path in APPS.glob("**/*.py") if "migrations" not in path.parts]))
def test_no_room_grows_past_what_can_be_read(path):
    assert len(path.read_text().splitlines()) <= 400
