"""Assets: what they may be worth, where which value counts, and who may change them."""

from __future__ import annotations

import pytest

from apps.assets import services
from apps.assets.models import Asset, AssetValue
from apps.audit.models import AuditEntry
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, NotAllowed, NotFound
from apps.events.models import Event
from apps.tenancy import services as tenancy
from tests import api, make
from tests.make import SYSTEM

pytestmark = pytest.mark.django_db


def worth(asset: Asset, robot=None, folder=None):
    found = asset.value_for(robot, folder)
    return found.value if found is not None else None


def below(folder, name: str):
    return tenancy.create_folder(folder, actor=SYSTEM, name=name)


class TestAValue:
    @pytest.mark.parametrize(
        ("type_", "value"),
        [
            ("text", ""),
            ("text", "ünï"),
            ("integer", -(2**63)),
            ("boolean", False),
            ("json", {"a": [1, None]}),
            ("json", None),
        ],
    )
    def test_is_kept_as_it_was_given(self, type_, value):
        asset = make.asset(type=type_, value=value)

        assert worth(asset) == value

    @pytest.mark.parametrize(
        ("type_", "value"),
        [
            ("text", 1),
            ("text", "x" * 70_000),
            ("integer", "1"),
            ("integer", True),
            ("integer", 2**63),
            ("boolean", "true"),
            ("boolean", None),
            ("json", "x" * 70_000),
        ],
    )
    def test_must_fit_its_type(self, type_, value):
        with pytest.raises(Invalid) as refused:
            make.asset(type=type_, value=value)

        assert [problem.field for problem in refused.value.problems] == ["value"]

    def test_of_an_asset_without_secrets_has_none(self):
        with pytest.raises(Invalid, match="secrets"):
            make.asset(secrets={"value": "x"})


class TestASecret:
    def test_is_nowhere_but_sealed(self):
        asset = make.asset(type="secret", value=None, secrets={"value": "hunter2-canary"})

        row = AssetValue.objects.filter(asset=asset).values().get()
        trail = list(AuditEntry.objects.filter(target_id=str(asset.pk)).values())
        told = list(Event.objects.filter(subject_id=asset.pk).values())

        assert "hunter2-canary" not in f"{row}{trail}{told}"
        assert asset.values.get().unseal() == {"value": "hunter2-canary"}

    @pytest.mark.parametrize("secrets", [None, {}, {"value": ""}, {"value": "x" * 70_000}], ids=str)
    def test_must_be_there_and_not_too_long(self, secrets):
        with pytest.raises(Invalid, match="value"):
            make.asset(type="secret", value=None, secrets=secrets)

    def test_shows_nothing(self):
        with pytest.raises(Invalid, match="a secret shows nothing"):
            make.asset(type="secret", value="x", secrets={"value": "y"})
        with pytest.raises(Invalid, match="one field"):
            make.asset(type="secret", value=None, secrets={"value": "y", "other": "z"})


class TestACredential:
    @pytest.mark.parametrize(
        ("kind", "value", "secrets"),
        [
            ("password", {"username": "ada"}, {"password": "x"}),
            ("api_key", {}, {"api_key": "x"}),
            ("oauth2", {"token_url": "https://id.example/t", "client_id": "c"}, {"client_secret": "x"}),
            ("database", {"host": "db", "username": "ada"}, {"password": "x"}),
            ("private_key", {}, {"private_key": "-----BEGIN"}),
            ("custom", {"account": "7"}, {"pin": "1", "tan": "2"}),
        ],
    )
    def test_has_the_fields_of_its_kind(self, kind, value, secrets):
        asset = make.asset(type="credential", kind=kind, value=value, secrets=secrets)

        found = asset.values.get()
        assert (found.value, found.unseal()) == (value, secrets)

    @pytest.mark.parametrize(
        ("kind", "value", "secrets", "wrong"),
        [
            ("password", {}, {"password": "x"}, ["username"]),
            ("password", {"username": "ada"}, {}, ["password"]),
            ("password", {"username": "ada", "password": "x"}, {}, ["password"]),
            ("password", {"username": "ada"}, {"password": "x", "pin": "1"}, ["pin"]),
            ("password", {"username": 7}, {"password": "x"}, ["username"]),
            ("custom", {"a": "1"}, {"a": "2"}, ["a"]),
            ("custom", {f"f{n}": "x" for n in range(51)}, {}, ["value"]),
        ],
    )
    def test_is_refused_with_the_fields_that_are_wrong(self, kind, value, secrets, wrong):
        with pytest.raises(Invalid) as refused:
            make.asset(type="credential", kind=kind, value=value, secrets=secrets)

        assert [problem.field for problem in refused.value.problems] == wrong

    def test_needs_a_kind_and_nothing_else_has_one(self):
        with pytest.raises(Invalid, match="kind"):
            make.asset(type="credential", value={}, secrets={"password": "x"})
        with pytest.raises(Invalid, match="kind"):
            make.asset(type="text", kind="password")


class TestWhereAValueCounts:
    def test_the_nearest_counts(self):
        top = make.folder()
        inner = below(top, "Inner")
        deeper = below(inner, "Deeper")
        robot = make.robot(of=top.tenant)
        asset = make.asset(top, value="everywhere")
        services.set_value(asset, actor=SYSTEM, value="inner", place=services.Place(folder=inner))

        assert [worth(asset, robot, one) for one in (top, inner, deeper, None)] == [
            "everywhere", "inner", "inner", "everywhere"
        ]  # fmt: skip

        services.set_value(asset, actor=SYSTEM, value="machine", place=services.Place(machine=robot.machine))
        assert worth(asset, robot, deeper) == "machine"

        services.set_value(asset, actor=SYSTEM, value="robot", place=services.Place(robot=robot))
        assert worth(asset, robot, deeper) == "robot"
        assert worth(asset, make.robot(robot.machine), deeper) == "machine"
        assert worth(asset, make.robot(of=top.tenant), deeper) == "inner"

    def test_the_next_nearest_counts_once_it_is_gone(self):
        asset = make.asset(value="everywhere")
        robot = make.robot(of=asset.tenant)
        place = services.Place(robot=robot)
        services.set_value(asset, actor=SYSTEM, value="robot", place=place)

        services.remove_value(asset, actor=SYSTEM, place=place)

        assert worth(asset, robot) == "everywhere"
        with pytest.raises(NotFound):
            services.remove_value(asset, actor=SYSTEM, place=place)

    def test_the_last_one_stays(self):
        with pytest.raises(Conflict):
            services.remove_value(make.asset(), actor=SYSTEM, place=services.EVERYWHERE)

    def test_no_place_of_another_tenant_is_taken(self):
        foreign = make.robot()

        with pytest.raises(Invalid, match="robot"):
            services.set_value(make.asset(), actor=SYSTEM, value="x", place=services.Place(robot=foreign))

    def test_no_folder_is_taken_in_which_the_asset_does_not_hold(self):
        inner = below(make.folder(), "Inner")
        asset = make.asset(inner)

        with pytest.raises(Invalid, match="does not hold"):
            services.set_value(asset, actor=SYSTEM, value="x", place=services.Place(folder=make.folder(inner.tenant)))

    def test_the_same_place_has_one_value(self):
        asset = make.asset(value="old")

        services.set_value(asset, actor=SYSTEM, value="new")

        assert [one.value for one in asset.values.all()] == ["new"]


class TestAName:
    def test_means_the_nearest_asset_of_the_folders_above(self):
        top = make.folder()
        inner = below(top, "Inner")
        outer, nearer = make.asset(top, name="Rate"), make.asset(inner, name="rate")

        assert Asset.objects.named("RATE", inner) == nearer
        assert Asset.objects.named("rate", top) == outer

    def test_is_free_again_once_its_asset_is_deleted(self):
        asset = make.asset(name="Rate")
        with pytest.raises(Conflict):
            make.asset(asset.folder, name="rate")

        services.delete_asset(asset, actor=SYSTEM)

        assert make.asset(asset.folder, name="rate").pk != asset.pk
        with pytest.raises(Conflict, match="deleted"):
            services.set_value(asset, actor=SYSTEM, value="x")


class TestSettingAValue:
    def test_is_written_down_with_the_value_of_what_is_no_secret(self):
        asset = make.asset(value="old")

        services.set_value(asset, actor=SYSTEM, value="new")

        entry = AuditEntry.objects.get(action="asset.set", target_id=str(asset.pk))
        assert entry.after == {"place": "everywhere else", "value": "new"}

    def test_takes_its_own_permission(self):
        asset = make.asset()
        looker = Actor.person(make.user("assets.view_asset", "assets.change_asset", inside=asset.folder))

        with pytest.raises(NotAllowed, match="set_asset"):
            services.set_value(asset, actor=looker, value="x")


class TestTheApi:
    def test_makes_and_shows_without_what_is_secret(self):
        folder = make.folder()
        body = {
            "name": "Bank", "folder": folder.pk, "type": "credential", "kind": "password",
            "value": {"username": "ada"}, "secrets": {"password": "hunter2-canary"},
        }  # fmt: skip

        made = api.root().post("assets", body)

        assert made.status_code == 201, made.content
        shown = api.root().get(f"assets/{made.json()['id']}")
        assert shown.json()["value"] == {"username": "ada"}
        assert shown.json()["is_secret"] is True
        assert b"hunter2-canary" not in made.content + shown.content

    def test_names_each_wrong_field(self):
        body = {"name": "Bank", "folder": make.folder().pk, "type": "credential", "kind": "password"}

        assert api.fields_refused(api.root().post("assets", body)) == {"username", "password"}

    def test_sets_and_lists_and_takes_away_values(self):
        asset = make.asset(value="everywhere")
        robot = make.robot(of=asset.tenant)
        caller = api.root()

        caller.post(f"assets/{asset.pk}/set-value", {"value": "there", "robot": robot.pk})

        rows = caller.get(f"assets/{asset.pk}/values").json()["items"]
        assert [(row["place"], row["value"]) for row in rows] == [
            (f"on the robot {robot.name}", "there"), ("everywhere else", "everywhere")
        ]  # fmt: skip
        assert caller.post(f"assets/{asset.pk}/remove-value", {"robot": robot.pk}).status_code == 200
        assert len(caller.get(f"assets/{asset.pk}/values").json()["items"]) == 1

    def test_takes_one_place_at_a_time(self):
        asset = make.asset()
        robot = make.robot(of=asset.tenant)
        body = {"value": "x", "robot": robot.pk, "machine": robot.machine_id}

        assert api.fields_refused(api.root().post(f"assets/{asset.pk}/set-value", body)) == {"machine"}

    def test_lists_with_one_query_for_the_values(self, django_assert_max_num_queries):
        folder = make.folder()
        caller = api.root()
        for number in range(5):
            make.asset(folder, value=f"v{number}")

        with django_assert_max_num_queries(12):
            page = caller.get("assets", {"folder": folder.pk})

        assert {row["value"] for row in page.json()["items"]} == {"v0", "v1", "v2", "v3", "v4"}


MAY_CHANGE = (
    "processes.view_process", "processes.change_process", "packages.view_package", "packages.view_packageversion",
    "assets.view_asset",
)  # fmt: skip


class TestWhatProcessesMayUse:
    def test_takes_the_right_to_use_it(self):
        asset = make.asset(type="secret", value=None, secrets={"value": "x"})
        process = make.process(asset.folder)
        caller = api.Caller(make.user(*MAY_CHANGE, inside=asset.folder))

        refused = caller.patch(f"processes/{process.pk}", {"may_use": [asset.pk]})
        assert refused.status_code == 403, refused.content

        shown = api.root().patch(f"processes/{process.pk}", {"may_use": [asset.pk]})
        assert [one["id"] for one in shown.json()["may_use"]] == [str(asset.pk)]
        assert list(asset.used_by.all()) == [process]

    def test_takes_the_same_right_to_let_other_code_have_it(self):
        asset = make.asset(type="secret", value=None, secrets={"value": "x"})
        version, other = make.package_version(asset.folder), make.package_version(asset.folder)
        process = make.process(asset.folder, package=version.package, may_use=[asset])
        caller = api.Caller(make.user(*MAY_CHANGE, inside=asset.folder))

        answers = [
            caller.patch(f"processes/{process.pk}", {"package": other.package_id}),
            caller.patch(f"processes/{process.pk}", {"pinned_version": version.pk}),
            caller.post(f"processes/{process.pk}/upgrade", {}),
            caller.patch(f"processes/{process.pk}", {"priority": 3}),
        ]

        assert [answer.status_code for answer in answers] == [403, 403, 403, 200]
