"""The description of the API says what the base views do."""

import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from rest_framework.settings import api_settings

from tests.core.api import doors

pytestmark = pytest.mark.urls("tests.core.api.urls")


@pytest.fixture(scope="module")
def schema():
    """The description of the tests' list of records, and no warning on the way."""
    from django.urls import include, path

    from tests.core.api.urls import router

    GENERATOR_STATS.reset()
    made = SchemaGenerator(patterns=[path("api/v1/", include(router.urls))]).get_schema(public=True)
    assert not GENERATOR_STATS
    return made


def test_it_is_valid(schema):
    validate_schema(schema)


def test_it_names_addresses_without_a_slash(schema):
    assert schema["paths"].keys() == {
        "/api/v1/records",
        "/api/v1/records/{id}",
        "/api/v1/records/{id}/rename",
        "/api/v1/records/{id}/touch",
    }


def test_operations_have_plain_names(schema):
    names = {operation["operationId"] for item in schema["paths"].values() for operation in item.values()}

    assert names == {"records_list", "records_create", "records_retrieve", "records_rename", "records_touch"}


def test_each_action_has_its_own_input(schema):
    def body(path):
        return schema["paths"][path]["post"].get("requestBody", {}).get("content", {}).get("application/json")

    assert body("/api/v1/records")["schema"] == {"$ref": "#/components/schemas/MakeRecordRequest"}
    assert body("/api/v1/records/{id}/rename")["schema"] == {"$ref": "#/components/schemas/RenameRecordRequest"}
    assert body("/api/v1/records/{id}/touch") is None


def test_refusals_are_described(schema):
    create = schema["paths"]["/api/v1/records"]["post"]["responses"]
    read = schema["paths"]["/api/v1/records/{id}"]["get"]["responses"]

    assert create.keys() == {"201", "400", "401", "403", "409", "413", "415", "429", "503"}
    assert read.keys() == {"200", "400", "401", "403", "404", "429", "503"}
    assert create["409"]["content"]["application/problem+json"]["schema"] == {"$ref": "#/components/schemas/Problem"}


def test_every_post_takes_an_idempotency_key(schema):
    headers = [
        [parameter["name"] for parameter in item["post"].get("parameters", []) if parameter["in"] == "header"]
        for item in schema["paths"].values()
        if "post" in item
    ]

    assert headers == [["Idempotency-Key"]] * 3


def test_ways_to_sign_in_are_those_of_the_authenticators(schema):
    operation = schema["paths"]["/api/v1/records"]["get"]

    assert operation["security"] == [{"bearer": []}, {"apiKey": []}]
    assert schema["components"]["securitySchemes"].keys() == {"bearer", "apiKey"}


def test_ids_are_uuids(schema):
    parameters = schema["paths"]["/api/v1/records/{id}"]["get"]["parameters"]

    assert [(one["name"], one["schema"]["format"]) for one in parameters] == [("id", "uuid")]


def test_a_list_says_its_filters_its_pages_and_its_shape(schema):
    operation = schema["paths"]["/api/v1/records"]["get"]
    names = {parameter["name"] for parameter in operation["parameters"]}

    assert names >= {"cursor", "page_size", "ordering", "key", "status_code", "created_after", "created_before"}
    assert schema["components"]["schemas"]["PaginatedRecordOutList"]["required"] == ["items", "next", "previous"]


def test_the_settings_describe_every_view_in_this_way():
    assert api_settings.DEFAULT_SCHEMA_CLASS is type(doors.RecordViewSet.schema)
