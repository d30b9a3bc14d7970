"""The description of the API: valid, complete, and true of what is answered."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from apps.packages.rules.parameters import FORMATS
from tests import api, make
from tests.api_routes import World, headers, plain_paths, routes

#: Addresses of views that the description leaves out, each for its reason.
NOT_DESCRIBED = {
    "GET schema": "It is the description.",
    "GET docs": "A page for people.",
}
#: Addresses of plain views: the robot API has a page of its own.
ROBOT_API = re.compile(r"(runner|runtime|job-executions|agent-traces)/")


@cache
def description() -> dict[str, Any]:
    """The description as programs get it."""
    GENERATOR_STATS.reset()
    made = SchemaGenerator().get_schema(request=None, public=True)
    assert not GENERATOR_STATS
    return json.loads(json.dumps(made))


def operations() -> dict[str, dict[str, Any]]:
    """Every operation by its method and path, written as routes are."""
    paths = description()["paths"]
    return {
        f"{method.upper()} {_as_route(path)}": operation
        for path, item in paths.items()
        for method, operation in item.items()
    }


def _as_route(path: str) -> str:
    route = re.sub(r"{(\w+)}", r"<str:\1>", path.removeprefix("/api/v1/"))
    return route.replace("<str:path>", "<path:path>")


def schema_of(operation: dict[str, Any], status: int, kind: str = "application/json") -> Draft202012Validator:
    """What checks an answer of an operation."""
    schema = operation["responses"][str(status)]["content"][kind]["schema"]
    whole = {**schema, "components": description()["components"]}
    resource = Resource.from_contents(whole, default_specification=DRAFT202012)
    registry = Registry().with_resource("", resource)
    return Draft202012Validator(whole, registry=registry, format_checker=FORMATS)


def wrong_with(route: str, response: Any) -> list[str]:
    """What the description says is wrong with an answer."""
    operation = operations()[route]
    if str(response.status_code) not in operation["responses"]:
        return [f"{response.status_code} is not described"]
    content = operation["responses"][str(response.status_code)].get("content", {})
    if not content:
        return ["there is a body"] if response.whole else []
    kind = response.headers["Content-Type"].partition(";")[0]
    if kind not in content:
        return [f"{kind} is not described"]
    if not kind.endswith("json") or kind.endswith("ndjson"):
        return []
    errors = schema_of(operation, response.status_code, kind).iter_errors(json.loads(response.whole))
    return [f"{error.json_path}: {error.message[:200]}" for error in errors]


def test_it_is_valid_and_made_without_a_warning():
    validate_schema(description())


def test_every_route_is_described_or_left_out_for_a_reason():
    there = {str(route) for route in routes()}

    assert there - operations().keys() == NOT_DESCRIBED.keys()
    assert operations().keys() - there == set()


def test_plain_views_are_the_robot_api():
    assert {path for path in plain_paths() if not ROBOT_API.match(path)} == set()


def test_every_operation_says_what_it_does():
    told = {route: operation.get("summary", "") for route, operation in operations().items()}

    assert {route for route, summary in told.items() if len(summary) < 10} == set()
    assert {route for route, operation in operations().items() if not operation.get("description")} == set()


def test_every_operation_has_a_name_of_its_own():
    names = [operation["operationId"] for operation in operations().values()]

    assert sorted(names) == sorted(set(names))
    assert [name for name in names if not re.fullmatch(r"[a-z][a-z0-9_]+", name)] == []


def test_every_operation_says_how_to_sign_in():
    open_to_all = {route for route, operation in operations().items() if not operation.get("security")}

    assert open_to_all == {"POST auth/login"}


def test_every_post_takes_a_key_that_makes_it_happen_once():
    posts = {route: operation for route, operation in operations().items() if route.startswith("POST")}

    with_key = {
        route
        for route, operation in posts.items()
        if "Idempotency-Key" in {parameter["name"] for parameter in operation.get("parameters", [])}
    }

    # What a refusal of these leaves behind must not be undone.
    assert posts.keys() - with_key == {
        "POST auth/login",
        "POST auth/logout",
        "POST auth/confirm",
        "POST me/change-password",
        "POST me/logout-others",
    }


def test_every_input_says_that_it_takes_nothing_else():
    inputs = {
        name: schema for name, schema in description()["components"]["schemas"].items() if name.endswith("Request")
    }

    assert {name for name, schema in inputs.items() if schema.get("additionalProperties") is not False} == set()


@pytest.mark.django_db
class TestAnswers:
    """Real answers fit the description."""

    @pytest.fixture
    def world(self):
        return World()

    def test_of_reading(self, world):
        root = api.root()
        wanted = [route for route in routes() if route.method == "GET" and str(route) not in NOT_DESCRIBED]

        wrong = {str(route): wrong_with(str(route), root.get(route.address(world.rows))) for route in wanted}

        assert {route: problems for route, problems in wrong.items() if problems} == {}

    def test_of_writing(self, world):
        root = api.root()
        wanted = [route for route in routes() if route.method in ("POST", "PATCH") and route.path != "packages/upload"]

        wrong = {
            str(route): wrong_with(
                str(route),
                root.call(route.method, route.address(world.rows), world.body(route), **headers(world.tenant)),
            )
            for route in wanted
        }

        assert {route: problems for route, problems in wrong.items() if problems} == {}

    def test_of_uploading(self, world):
        root = api.root()

        made = root.upload(make.package_file(), headers=headers(world.tenant))
        refused = root.upload(make.package_file(version="one"), headers=headers(world.tenant))

        assert (made.status_code, refused.status_code) == (201, 400)
        assert wrong_with("POST packages/upload", made) == []
        assert wrong_with("POST packages/upload", refused) == []

    def test_of_deleting(self, world):
        root = api.root()
        robot = make.robot(of=world.tenant)

        response = root.delete(f"robots/{robot.pk}")

        assert response.status_code == 204
        assert wrong_with("DELETE robots/<str:id>", response) == []

    def test_of_refusing(self, world):
        root = api.root()

        unknown = root.get("jobs/0193f3a0-5b7e-7c1d-9d2a-4a3f0c9b1e22")
        crooked = root.post("jobs", {"process": 7})

        assert wrong_with("GET jobs/<str:id>", unknown) == []
        assert wrong_with("POST jobs", crooked) == []

    def test_programs_and_people_get_the_description(self):
        root = api.root()

        schema, page, script = root.get("schema"), root.get("docs"), root.get("docs", {"script": ""})

        assert schema.json()["openapi"].startswith("3.1")
        assert b"/static/drf_spectacular_sidecar/" in page.whole
        assert b"http://" not in page.whole
        assert b"https://" not in page.whole
        assert b"/api/v1/schema" in script.whole
