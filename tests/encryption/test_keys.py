"""Data keys: made when they are needed, rotated under load, and given up in the end."""

from __future__ import annotations

import base64
import secrets
import threading
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection
from django.db.models.functions import Now

from apps.assets.models import AssetValue
from apps.audit.models import AuditEntry
from apps.encryption import models, services
from apps.encryption.models import DataKey, DataKeyStatus, seal, sealed_fields, unseal
from apps.encryption.rules.envelopes import Unopenable
from tests import make
from tests.make import SYSTEM

pytestmark = pytest.mark.django_db

COLUMN = (AssetValue, "sealed")


def secret(text: str = "hunter2", **fields) -> AssetValue:
    return make.asset(type="secret", value=None, secrets={"value": text}, **fields).values.get()


def opened(value: AssetValue) -> str:
    return AssetValue.objects.get(pk=value.pk).unseal()["value"]


def key_of(value: AssetValue) -> DataKey:
    return DataKey.objects.get(tenant_id=value.tenant_id, status=DataKeyStatus.CURRENT)


@pytest.fixture
def masters(settings):
    """Set which master keys there are, by name; they are random and stay the same within a test."""
    keys: dict[str, str] = {}

    def use(*names: str) -> None:
        for name in names:
            keys.setdefault(name, base64.b64encode(secrets.token_bytes(32)).decode())
        settings.MASTER_KEYS = [f"{name}:{keys[name]}" for name in names]
        models.master_keys.cache_clear()
        models._unwrapped.cache_clear()

    use("first")
    yield use
    models.master_keys.cache_clear()
    models._unwrapped.cache_clear()


class TestASecretInTheDatabase:
    def test_is_sealed_by_a_key_of_its_tenant(self):
        mine, other = secret(), secret()

        assert opened(mine) == "hunter2"
        assert "hunter2" not in mine.sealed
        assert key_of(mine) != key_of(other)

    def test_does_not_open_in_another_row(self):
        one = secret()
        other = make.asset(one.asset.folder, type="secret", value=None, secrets={"value": "x"}).values.get()
        AssetValue.objects.filter(pk=other.pk).update(sealed=one.sealed)

        with pytest.raises(Unopenable):
            opened(other)

    def test_does_not_open_in_another_tenant(self):
        one, other = secret(), secret()
        AssetValue.objects.filter(pk=other.pk).update(sealed=one.sealed)

        with pytest.raises(Unopenable, match="not one of its tenant's"):
            opened(other)

    def test_lies_in_a_column_that_is_found_by_itself(self):
        assert COLUMN in list(sealed_fields())


class TestADataKey:
    def test_is_made_once_by_however_many_need_it_first(self, transactional_db):
        tenant = make.tenant()
        barrier, found = threading.Barrier(4), []

        def need() -> None:
            barrier.wait()
            found.append(DataKey.objects.current_of(tenant.pk).pk)
            connection.close()

        threads = [threading.Thread(target=need) for _ in range(4)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]

        assert len(found) == 4
        assert len(set(found)) == 1

    def test_is_the_only_current_one_of_its_tenant(self):
        key = key_of(secret())

        with pytest.raises(IntegrityError):
            DataKey.objects.bulk_create([DataKey.new(key.tenant_id, number=2)])

    def test_lets_what_it_sealed_be_read_after_its_rotation(self):
        value = secret()
        old = key_of(value)

        new = services.rotate_data_key(value.tenant, actor=SYSTEM)

        assert (new.number, opened(value)) == (2, "hunter2")
        old.refresh_from_db()
        assert old.status == DataKeyStatus.ACCEPTED
        assert key_of(secret("x", folder=value.asset.folder)) == new


class TestSealingAnew:
    def test_takes_over_all_that_an_older_key_sealed(self):
        value = secret()
        new = services.rotate_data_key(value.tenant, actor=SYSTEM)

        batch = services.reencrypt_some(COLUMN, actor=SYSTEM)

        assert (batch.sealed, batch.last) == (1, None)
        assert new.name in AssetValue.objects.get(pk=value.pk).sealed
        assert opened(value) == "hunter2"

    def test_changes_nothing_the_second_time(self):
        value = secret()
        services.rotate_data_key(value.tenant, actor=SYSTEM)
        services.reencrypt_some(COLUMN, actor=SYSTEM)
        before = AssetValue.objects.get(pk=value.pk).sealed

        assert services.reencrypt_some(COLUMN, actor=SYSTEM).sealed == 0
        assert AssetValue.objects.get(pk=value.pk).sealed == before

    def test_goes_on_where_a_run_was_broken_off(self, monkeypatch):
        monkeypatch.setattr("apps.encryption.services.rotating.BATCH", 2)
        folder = make.folder()
        values = [secret(f"s{number}", folder=folder) for number in range(5)]
        services.rotate_data_key(folder.tenant, actor=SYSTEM)
        services.reencrypt_some(COLUMN, actor=SYSTEM)  # Killed after the first batch.

        call_command("rotate_keys", "resume")

        name = key_of(values[0]).name
        assert [name in AssetValue.objects.get(pk=value.pk).sealed for value in values] == [True] * 5
        assert [opened(value) for value in values] == ["s0", "s1", "s2", "s3", "s4"]

    def test_leaves_alone_what_was_changed_meanwhile(self, monkeypatch):
        value = secret()
        services.rotate_data_key(value.tenant, actor=SYSTEM)

        def changed_first(row, field):
            AssetValue.objects.filter(pk=row.pk).update(sealed=newer.sealed)
            return unseal(row, field)

        newer = AssetValue.objects.get(pk=value.pk)
        newer.seal({"value": "newer"})
        monkeypatch.setattr("apps.encryption.services.rotating.unseal", changed_first)

        assert services.reencrypt_some(COLUMN, actor=SYSTEM).sealed == 0
        assert opened(value) == "newer"


class TestGivingUpAKey:
    def old_key(self, value: AssetValue) -> DataKey:
        old = key_of(value)
        services.rotate_data_key(value.tenant, actor=SYSTEM)
        DataKey.objects.filter(pk=old.pk).update(rotated_at=Now() - timedelta(hours=2))
        return old

    def test_is_refused_while_something_is_sealed_by_it(self):
        old = self.old_key(secret())

        with pytest.raises(services.KeyInUse):
            services.destroy_data_key(old, actor=SYSTEM)

    def test_is_refused_right_after_its_rotation(self):
        value = secret()
        old = key_of(value)
        services.rotate_data_key(value.tenant, actor=SYSTEM)
        services.reencrypt_some(COLUMN, actor=SYSTEM)

        with pytest.raises(services.KeyInUse, match="less than an hour"):
            services.destroy_data_key(old, actor=SYSTEM)

    def test_leaves_nothing_of_it(self):
        value = secret()
        old = self.old_key(value)
        services.reencrypt_some(COLUMN, actor=SYSTEM)

        call_command("rotate_keys", "destroy")

        old.refresh_from_db()
        assert (old.status, old.wrapped) == (DataKeyStatus.DESTROYED, "")
        assert opened(value) == "hunter2"
        assert AuditEntry.objects.filter(action="datakey.destroyed", target_id=str(old.pk)).exists()


class TestANewMasterKey:
    def test_wraps_every_data_key_and_the_old_one_can_go(self, masters):
        value = secret()
        masters("second", "first")

        call_command("rotate_keys", "master")

        masters("second")
        assert opened(value) == "hunter2"
        assert not DataKey.objects.exclude(master="second").exists()

    def test_that_replaces_the_old_one_too_soon_is_told_of(self, masters):
        secret()
        masters("second")

        with pytest.raises(CommandError, match="MASTER_KEYS"):
            call_command("verify_secrets")

    def test_of_the_same_name_but_another_one_is_told_of(self, masters, settings):
        key = key_of(secret())
        settings.MASTER_KEYS = [f"first:{base64.b64encode(secrets.token_bytes(32)).decode()}"]
        models.master_keys.cache_clear()
        models._unwrapped.cache_clear()

        assert [flaw.what for flaw in services.flaws_of_keys()] == [str(key)]


def test_every_secret_that_does_not_open_is_named_and_none_is_shown(capsys):
    good, bad = secret(), secret()
    AssetValue.objects.filter(pk=bad.pk).update(sealed=good.sealed)

    with pytest.raises(CommandError, match="1 do not open"):
        call_command("verify_secrets")

    told = capsys.readouterr().err
    assert str(bad.pk) in told
    assert "hunter2" not in told


def test_a_sound_installation_verifies(capsys):
    secret()

    call_command("verify_secrets")

    assert "Every secret opens" in capsys.readouterr().out


def test_sealing_needs_the_row_to_have_its_key(capsys):
    value = AssetValue(tenant_id=make.tenant().pk)

    seal(value, "sealed", "x")

    assert unseal(value, "sealed") == "x"
