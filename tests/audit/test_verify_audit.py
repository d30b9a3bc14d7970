"""``bin/verify-audit``, the program that checks an export without us, and every way of tampering with it (H7)."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management import call_command
from django.db import transaction

from apps.audit import services, tasks
from apps.audit.models import AuditEntry, AuditSeal
from apps.audit.services.heads import HEAD
from apps.audit.services.sealing import SEAL
from apps.core import ids, streams
from apps.core.actors import Actor
from apps.encryption import services as encryption
from tests.streams_fixtures import tampering

PROGRAM = Path(__file__).parents[2] / "bin" / "verify-audit"
SWEEP = Actor.system("sweep")
TENANT, OTHER = uuid4(), uuid4()

pytestmark = pytest.mark.django_db(transaction=True)


def program():
    """The program as a module, so that many lies can be told to it quickly."""
    loader = importlib.machinery.SourceFileLoader("verify_audit", str(PROGRAM))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("verify_audit", loader))
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    loader.exec_module(module)
    sys.dont_write_bytecode = before
    return module


VERIFY = program()


def write(count, *, tenant_id=TENANT):
    written = []
    for number in range(count):
        with transaction.atomic():
            facts = {"name": f"é {number}", "n": 1.5, "none": None}
            written.append(services.record(SWEEP, "thing.made", None, tenant_id=tenant_id, after=facts, reason="=1+1"))
    return written


def keys():
    return VERIFY.load_keys("".join(key.pem for key in encryption.public_keys()).encode())


def export(tenant_id=TENANT):
    return list(services.bundle(tenant_id))


def flaws(lines, heads=(), by=None):
    return VERIFY.Check(lines, keys() if by is None else by, heads).flaws


class Forger:
    """Somebody who may write the file, or the database that it comes from, anew, but has not got the key."""

    def __init__(self, lines):
        self.lines = [json.loads(line) for line in lines]

    def text(self):
        return [VERIFY.canonical(line) + b"\n" for line in self.lines]

    def places(self, kind):
        return [place for place, line in enumerate(self.lines) if kind in line]

    def sealed_anew(self, private, change=lambda seal: None):
        """Chain all entries anew, as the server does, and sign by another key."""
        name = VERIFY.sha256(private.public_key().public_bytes_raw()).hexdigest()[:16]
        previous, seal, groups = bytes(32), None, []
        for line in self.lines:
            if "seal" in line:
                groups.append((line["seal"], []))
            elif "entry" in line:
                groups[-1][1].append(line["entry"])
        for seal, entries in groups:
            change(seal)
            seal["previous"], link, members = previous.hex(), previous, b""
            for entry in entries:
                link = VERIFY.sha256(link + VERIFY.canonical(entry)).digest()
                members += UUID(entry["id"]).bytes + link
            seal |= {"members": members.hex(), "root": link.hex(), "count": len(entries), "key": name}
            said = {key: value for key, value in seal.items() if key not in ("hash", "key", "signature")}
            said["members"] = VERIFY.sha256(members).hexdigest()
            previous = VERIFY.sha256(VERIFY.canonical(said)).digest()
            seal |= {"hash": previous.hex(), "signature": private.sign(SEAL + previous).hex()}
        end = {key: value for key, value in self.lines[-1]["end"].items() if key not in ("key", "signature")}
        end |= {"hash": previous.hex(), "number": seal["number"]}
        signature = private.sign(HEAD + VERIFY.canonical(end)).hex()
        self.lines[-1]["end"] = {**end, "key": name, "signature": signature}
        return self


def test_h7_every_manipulation_of_an_export_is_found_and_the_first_bad_entry_named():
    entries = write(6)
    write(2, tenant_id=OTHER)
    services.seal_entries(batch=3)
    saved = services.signed_heads(services.heads())
    entries += write(3)
    services.seal_entries()
    lines = export()

    def forged(change):
        forger = Forger(lines)
        change(forger.lines, forger.places("seal"), forger.places("entry"))
        return forger.text()

    def drop(*places):
        return forged(lambda them, *_: [them.pop(place) for place in sorted(places, reverse=True)])

    def edit(them, _, at):
        them[at[4]]["entry"]["actor_name"] = "somebody else"
        them[at[7]]["entry"]["actor_name"] = "somebody else"

    def insert(them, _, at):
        them.insert(at[2], {"entry": {**them[at[2]]["entry"], "id": str(uuid4())}})

    def swap(them, _, at):
        them[at[1]], them[at[2]] = them[at[2]], them[at[1]]

    def retime(them, seals, _):
        them[seals[1]]["seal"]["created_at"] = "2020-01-01T00:00:00.000000+00:00"

    at_seal, at_entry = Forger(lines).places("seal"), Forger(lines).places("entry")
    cut = at_seal[-1]
    stranger = Ed25519PrivateKey.generate()
    theirs = {VERIFY.sha256(stranger.public_key().public_bytes_raw()).hexdigest()[:16]: stranger.public_key()}

    assert flaws(lines, saved) == []
    # Edited, deleted, inserted, moved: the first bad entry comes first, by its id.
    assert flaws(forged(edit))[0] == f"entry {entries[4].pk} was edited (seal 2)"
    assert f"entry {entries[7].pk} was edited (seal 3)" in flaws(forged(edit))
    assert flaws(drop(at_entry[3])) == [f"entry {entries[3].pk} was deleted (seal 2)"]
    assert "was inserted (seal 1)" in flaws(forged(insert))[0]
    assert flaws(forged(swap)) == [f"entry {entries[1].pk} was moved (seal 1)"]
    assert flaws([*lines[: at_entry[0] + 1], *lines[at_entry[0] :]]) == [f"entry {entries[0].pk} was inserted (seal 1)"]
    # A seal changed, or dropped alone or with its entries.
    assert flaws(forged(retime))[0] == "seal 2 was changed"
    assert flaws(drop(at_seal[1]))[0] == f"entry {entries[3].pk} was inserted (seal 1)"
    assert "seal 2 is missing: seal 3 comes instead" in flaws(drop(at_seal[1]))
    assert flaws(lines[: at_seal[1]] + lines[at_seal[2] :])[0] == "seal 2 is missing: seal 3 comes instead"
    # Cut off: without its end, with an end that was signed for more, and in the database before it was exported.
    assert flaws(lines[:-1]) == ["it is cut off behind seal 3"]
    assert flaws(lines[:cut] + lines[-1:]) == ["it ended with seal 3, here it ends with 2"]
    assert flaws([b"".join(lines)[:-40]])[0].startswith("line 1 cannot be read")
    assert flaws([])[0] == "it is cut off behind seal 0"
    # Written as two things at once: what one reader takes and another does not.
    twice = [line.replace(b'{"entry":{', b'{"entry":{"action":"x",', 1) for line in lines]
    assert "cannot be read" in flaws(twice)[0]
    # Another key: a chain written anew is whole by its own lights only.
    forger = Forger(lines)
    forger.lines[at_entry[0]]["entry"]["actor_name"] = "somebody else"
    anew = forger.sealed_anew(stranger).text()
    assert flaws(anew, by=theirs) == []
    assert flaws(anew)[0] == "seal 1 is signed by no key you trust"
    assert "the chain was written anew" in " ".join(flaws(anew, saved, by=theirs))
    assert flaws(lines, by={})[0] == "seal 1 is signed by no key you trust"
    # The clock: even whoever has the key cannot have sealed an entry before it was made, or go back.
    back = Forger(lines).sealed_anew(stranger, lambda seal: seal.update(created_at="2020-01-01T00:00:00+00:00"))
    assert flaws(back.text(), by=theirs)[0] == (
        f"entry {entries[0].pk} has a time that cannot be: the clock was rolled (seal 1)"
    )
    steps = iter([timedelta(0), timedelta(hours=-1), timedelta(0)])
    later = Forger(lines).sealed_anew(
        stranger,
        lambda seal: seal.update(created_at=(datetime.fromisoformat(seal["created_at"]) + next(steps)).isoformat()),
    )
    assert "seal 2 is older than the one before it: the clock was rolled back" in flaws(later.text(), by=theirs)
    # A head that was saved is worth its signature.
    assert "is signed by no key you trust" in flaws(lines, [{**saved[0], "number": 9, "tenant_id": str(TENANT)}])[0]


def test_h7_what_is_done_to_the_database_shows_in_the_export():
    entries = write(6)
    services.seal_entries(batch=2)
    saved = services.signed_heads(services.heads())

    with tampering("audit_auditentry"), tampering("audit_auditseal"):
        AuditEntry.objects.create(
            tenant_id=TENANT, xid=entries[1].xid, seq=0, actor_kind="person", actor_id="1", actor_name="x", action="x.y"
        )
        AuditEntry.objects.filter(pk=entries[2].pk).delete()
        found = flaws(export())
        AuditEntry.objects.exclude(pk__in=[entry.pk for entry in entries[:2]]).delete()
        AuditSeal.objects.filter(number__gt=1).delete()
        cut = export()

    assert [flaw.split()[2:4] for flaw in found] == [["was", "inserted"], ["was", "deleted"]]
    assert flaws(cut) == []
    assert "is missing: cut off" in flaws(cut, saved)[0]


def test_h7_a_gap_is_accepted_where_the_seals_tell_of_it_and_nowhere_else():
    moment = datetime(2001, 5, 5, tzinfo=UTC)
    for number in range(3):
        with transaction.atomic():
            AuditEntry.objects.create(
                id=ids.first_id_at(moment + timedelta(hours=number)),
                tenant_id=TENANT, actor_kind="system", actor_id="x", actor_name="x", action="x",
            )  # fmt: skip
    streams.ensure_partitions(AuditEntry)
    (young,) = write(1)
    services.drop_entries_before(datetime(2001, 6, 10, tzinfo=UTC), actor=SWEEP)
    write(1)
    services.seal_entries()
    lines = export()
    without = [line for line in lines if str(young.pk).encode() not in line[:400] or b'"entry"' not in line[:10]]
    wider = [line.replace(b'"dropped_before":"2001', b'"dropped_before":"2099', 1) for line in lines[:1]]

    summary = AuditSeal.objects.get(tenant_id=TENANT, dropped_before__isnull=False).summary
    assert (summary["entries"], summary["first_at"] <= summary["last_at"]) == (3, True)
    assert AuditEntry.objects.get(action="audit.dropped").after["entries"] == 3
    assert flaws(lines) == []
    assert services.verify_seals().is_whole
    assert flaws(without) == [f"entry {young.pk} was deleted (seal 1)"]
    assert "old entries are gone, the seals tell of 3" in flaws([*wider, *without[1:]])[0]


def test_an_entry_deleted_before_its_time_is_missed_when_the_rest_of_its_month_goes():
    moment = datetime(2001, 5, 5, tzinfo=UTC)
    written = [
        AuditEntry(
            id=ids.first_id_at(moment + timedelta(hours=number)), tenant_id=TENANT, actor_kind="system", action="x"
        )
        for number in range(3)
    ]
    AuditEntry.objects.bulk_create(written)
    streams.ensure_partitions(AuditEntry)
    services.seal_entries()
    with tampering("audit_auditentry"):
        AuditEntry.objects.filter(pk=written[1].pk).delete()

    services.drop_entries_before(datetime(2001, 6, 10, tzinfo=UTC), actor=SWEEP)

    assert flaws(export()) == ["3 old entries are gone, the seals tell of 2 before 2001-06-01T00:00:00.000000+00:00"]
    assert [flaw.kind for flaw in services.verify_seals().flaws] == ["miscounted"]


def test_the_program_runs_by_itself_also_over_keys_that_were_replaced(tmp_path):
    write(2)
    services.seal_entries()
    old = encryption.public_keys()[-1]
    call_command("rotate_audit_key", stdout=StringIO())
    write(2)
    trail, heads, pem, only_old = (tmp_path / name for name in ("trail.jsonl", "heads.jsonl", "keys.pem", "old.pem"))
    call_command("export_audit", tenant=str(TENANT), out=str(trail), stdout=StringIO())
    call_command("export_audit_heads", out=str(heads))
    call_command("export_audit_heads", keys=True, out=str(pem))
    only_old.write_text(old.pem)

    def run(*arguments):
        return subprocess.run([sys.executable, PROGRAM, *arguments], capture_output=True, text=True, check=False)

    whole = run(trail, "--key", pem, "--head", heads)
    unknown = run(trail, "--key", only_old)
    assert (whole.returncode, whole.stdout[:26]) == (0, "whole: 4 entries, 2 seals,")
    assert (unknown.returncode, unknown.stdout.splitlines()[0]) == (1, "seal 2 is signed by no key you trust")
    assert run(trail, "--key", tmp_path / "none").returncode == 2
    assert len(PROGRAM.read_text().splitlines()) <= 150
    assert "apps" not in [
        line.split()[1].split(".")[0] for line in PROGRAM.read_text().splitlines() if "import" in line
    ]


def test_heads_are_left_outside_the_database(tmp_path, settings):
    settings.AUDIT_HEADS_FILE = str(tmp_path / "heads.jsonl")
    write(1)
    tasks.seal_entries()
    write(1, tenant_id=OTHER)
    tasks.seal_entries()
    tasks.seal_entries()
    settings.AUDIT_HEADS_FILE = str(tmp_path / "no" / "such" / "place")
    write(1)
    tasks.seal_entries()

    heads = [json.loads(line) for line in (tmp_path / "heads.jsonl").read_text().splitlines()]
    assert [(UUID(head["tenant_id"]), head["number"]) for head in heads] == [(TENANT, 1), (OTHER, 1)]
    assert flaws(export(), heads) == []
