"""Assets that expire: told of in time, once, and shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from apps.assets import services, tasks
from apps.assets.models import Asset
from apps.events.models import Event
from tests import api, make
from tests.admin.visitors import list_of, superuser, text_of
from tests.make import SYSTEM

pytestmark = pytest.mark.django_db


def events_of(asset: Asset) -> list[str]:
    told = Event.objects.filter(subject_id=asset.pk, type__startswith="asset.expir").order_by("seq")
    return [one.type for one in told]


def in_days(days: float) -> datetime:
    return timezone.now() + timedelta(days=days)


def test_each_is_told_of_once_before_and_once_after():
    soon, far, over = (make.asset(expires_at=in_days(days)) for days in (13.9, 14.1, -1))
    wide, lasting = make.asset(expires_at=in_days(29), notice_days=30), make.asset()
    gone = make.asset(expires_at=in_days(1))
    services.delete_asset(gone, actor=SYSTEM)

    counts = [tasks.tell_of_expiry(), tasks.tell_of_expiry()]

    assert counts == [3, 0]
    assert [events_of(one) for one in (soon, far, over, wide, lasting, gone)] == [
        ["asset.expiring"], [], ["asset.expired"], ["asset.expiring"], [], []
    ]  # fmt: skip


def test_another_date_is_told_of_anew_and_another_name_is_not():
    asset = make.asset(expires_at=in_days(1))
    tasks.tell_of_expiry()

    services.update_asset(asset, actor=SYSTEM, name="other")
    assert tasks.tell_of_expiry() == 0

    services.update_asset(asset, actor=SYSTEM, expires_at=in_days(2))
    assert tasks.tell_of_expiry() == 1

    Asset.objects.filter(pk=asset.pk).update(expires_at=in_days(-1))
    tasks.tell_of_expiry()
    assert events_of(asset) == ["asset.expiring", "asset.expiring", "asset.expired"]


def test_lists_and_pages_show_it_and_are_narrowed_by_it():
    folder, caller, visitor = make.folder(), api.root(), superuser()
    near = make.asset(folder, name="near", expires_at=in_days(5.5))
    make.asset(folder, name="over", expires_at=datetime(2020, 1, 1, tzinfo=UTC))
    make.asset(folder, name="lasting")

    found = {
        wanted: [row["name"] for row in caller.get("assets", {"folder": folder.pk, "expiry": wanted}).json()["items"]]
        for wanted in ("expiring", "expired", "lasting")
    }
    page = text_of(visitor.open(near))
    rows = text_of(visitor.get(f"{list_of(Asset)}?expiry=expired"))

    assert found == {"expiring": ["near"], "expired": ["over"], "lasting": ["lasting"]}
    assert api.fields_refused(caller.get("assets", {"expiry": "never"})) == {"expiry"}
    assert "expires in 5 days" in page
    assert "over" in rows
    assert "near</a>" not in rows
