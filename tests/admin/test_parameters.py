"""The form of *Run now* is drawn from the schema of the entrypoint, and gives back what the schema takes."""

import json

import pytest
from django import forms

from apps.core.admin.typed_json import JsonText
from apps.jobs.admin.parameters import ParameterForm
from apps.jobs.models import Job
from apps.packages.rules import parameters as rules
from tests import make
from tests.admin.visitors import page_of, superuser, text_of, with_permissions


def schema(required=(), **properties):
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def control(one, name="x", **initial):
    return ParameterForm(one, initial).fields[f"parameters.{name}"]


def sent(one, **typed):
    """What comes out when somebody types ``typed``; an assertion where the form does not take it."""
    drawn = ParameterForm(one, {})
    form = type("Form", (forms.Form,), drawn.fields)({f"parameters.{name}": value for name, value in typed.items()})
    assert form.is_valid(), form.errors
    return drawn.read(form.cleaned_data)


@pytest.mark.parametrize(
    ("about", "kind"),
    [
        ({"type": "string"}, forms.CharField),
        ({"type": "integer"}, forms.IntegerField),
        ({"type": "number"}, forms.FloatField),
        ({"type": "boolean", "default": True}, forms.BooleanField),
        ({"type": "boolean"}, forms.ChoiceField),
        ({"enum": ["draft", "final"]}, forms.ChoiceField),
        ({"type": "string", "format": "date"}, forms.DateField),
        ({"type": "string", "format": "date-time"}, forms.DateTimeField),
        ({"type": "array", "items": {"type": "string"}}, JsonText),
        ({"type": "object"}, JsonText),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, forms.IntegerField),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, JsonText),
        ({}, JsonText),
    ],
)
def test_each_type_has_its_control(about, kind):
    assert type(control(schema(x=about))) is kind


@pytest.mark.parametrize(
    ("about", "typed", "value"),
    [
        ({"type": "string"}, "ACME", "ACME"),
        ({"type": "string"}, " as it is ", " as it is "),
        ({"type": "integer"}, "12", 12),
        ({"type": "number"}, "0.25", 0.25),
        ({"type": "boolean", "default": False}, "on", True),
        ({"type": "boolean"}, "1", False),
        ({"enum": [1, "1", True, None]}, "2", True),
        ({"type": "string", "format": "date"}, "2026-10-01", "2026-10-01"),
        ({"type": "string", "format": "date-time"}, "2026-10-01T09:30", "2026-10-01T09:30:00+00:00"),
        ({"type": "array", "items": {"type": "string"}}, '["a"]', ["a"]),
        ({"type": "object"}, '{"a": {"b": 1}}', {"a": {"b": 1}}),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "3", 3),
    ],
)
def test_what_is_typed_becomes_what_the_schema_takes(about, typed, value):
    wanted = schema(x=about)

    given = sent(wanted, x=typed)

    assert given == {"x": value}
    assert rules.problems(wanted, given) == []


@pytest.mark.parametrize(
    "about", [{"type": "string"}, {"type": "integer"}, {"type": "array"}, {"enum": ["a"]}, {"type": "boolean"}]
)
def test_what_is_left_empty_is_left_to_the_default(about):
    assert sent(schema(x=about), x="") == {}


def test_a_text_that_somebody_empties_is_sent_empty():
    assert sent(schema(x={"type": "string", "default": "hello"}), x="") == {"x": ""}


def test_a_box_that_is_not_ticked_says_no():
    assert sent(schema(x={"type": "boolean", "default": True})) == {"x": False}


def test_what_is_required_must_be_given():
    drawn = ParameterForm(schema(["x"], x={"type": "integer"}), {})

    form = type("Form", (forms.Form,), drawn.fields)({})

    assert "parameters.x" in form.errors


def test_defaults_stand_in_the_form_and_what_was_given_goes_before_them():
    about = {"type": "integer", "default": 10}

    assert control(schema(x=about)).initial == 10
    assert control(schema(x=about), x=12).initial == 12


def test_a_choice_begins_at_its_default_and_tells_one_from_true():
    about = {"enum": [1, True, "draft"], "default": True}

    assert control(schema(x=about)).initial == "1"


def test_names_of_an_enumeration_are_shown_in_place_of_its_values():
    field = control(schema(["x"], x={"enum": [1, 2], "x-names": ["LOW", "HIGH"], "default": 1}))

    assert field.choices == [("0", "LOW"), ("1", "HIGH")]


def test_bounds_are_kept_in_the_form():
    field = control(schema(x={"type": "integer", "minimum": 1, "maximum": 5}))

    assert (field.min_value, field.max_value) == (1, 5)


def test_what_it_means_and_how_to_type_it_stands_below():
    about = {"type": "array", "items": {"type": "integer"}, "description": "Which rows."}

    assert control(schema(x=about)).help_text == "Which rows. As JSON: [1, …]"


def test_a_format_is_explained_by_an_example():
    about = {"type": "string", "format": "duration"}

    assert "PT1H30M" in control(schema(x=about)).help_text


def test_a_required_object_is_drawn_field_by_field():
    address = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "zip": {"type": "string"}},
        "required": ["city"],
    }
    wanted = schema(["x"], x=address)

    drawn = ParameterForm(wanted, {"x": {"city": "Paris"}})

    assert list(drawn.fields) == ["parameters.x.city", "parameters.x.zip"]
    assert drawn.fields["parameters.x.city"].initial == "Paris"
    assert sent(wanted, **{"x.city": "Lyon", "x.zip": ""}) == {"x": {"city": "Lyon"}}


def test_an_object_that_may_be_left_out_is_typed_as_json():
    address = {"type": "object", "properties": {"city": {"type": "string"}}}

    assert list(ParameterForm(schema(x=address), {}).fields) == ["parameters.x"]


def test_fields_come_in_the_order_of_the_source():
    wanted = schema(b={"type": "string"}, a={"type": "string"}) | {"x-order": ["a", "b"]}

    assert list(ParameterForm(wanted, {}).fields) == ["parameters.a", "parameters.b"]


def test_what_takes_further_names_has_a_place_for_them():
    wanted = {"type": "object", "properties": {"x": {"type": "integer"}}}

    drawn = ParameterForm(wanted, {"y": 1})

    assert drawn.fields["parameters"].initial == {"y": 1}
    assert drawn.read({"parameters": {"y": 2}, "parameters.x": 3}) == {"x": 3, "y": 2}


@pytest.mark.parametrize("typed", ["[1]", "12", "nonsense"])
def test_further_names_must_be_an_object(typed):
    drawn = ParameterForm({"type": "object"}, {})

    form = type("Form", (forms.Form,), drawn.fields)({"parameters": typed})

    assert "parameters" in form.errors


@pytest.mark.parametrize(
    "typed",
    [
        '{"a": 1, "a": 2}',
        '{"a": NaN}',
        '{"a": "\\u0000"}',
        '{"a": "\\ud800"}',
        '{"a": 1e999}',
        '{"a": 99999999999999999999}',
        '{"a": ' + "[" * 5_000 + "]" * 5_000 + "}",
        '{"a": 1',
    ],
)
def test_typed_json_is_as_clean_as_sent_json_and_stands_there_again_as_it_was_typed(typed):
    form = type("Form", (forms.Form,), ParameterForm({"type": "object"}, {}).fields)({"parameters": typed})

    assert "parameters" in form.errors
    assert form["parameters"].value() == typed


def test_a_space_is_no_value():
    assert sent(schema(x={"type": "array"}), x="  ") == {}


def test_an_integer_that_robots_may_not_read_is_refused():
    drawn = ParameterForm(schema(x={"type": "integer"}), {})

    form = type("Form", (forms.Form,), drawn.fields)({"parameters.x": "99999999999999999999"})

    assert "parameters.x" in form.errors


def test_a_moment_says_whose_time_is_read():
    assert control(schema(x={"type": "string", "format": "date-time"})).help_text == "In your time zone."


EVERY_KIND = """
import datetime, enum
from typing import Literal

class Mode(enum.Enum):
    DRAFT = "draft"

def main(text: str, whole: int, part: float, yes: bool, mode: Mode, level: Literal["low", "high"], tags: list[str],
         options: dict[str, int], day: datetime.date, at: datetime.datetime, note: str | None = None):
    return text
"""


@pytest.mark.django_db
class TestRunNow:
    @pytest.fixture
    def every_kind(self):
        version = make.package_version(source=EVERY_KIND)
        return make.process(version.folder, package=version.package)

    def test_every_parameter_that_is_missing_is_said_at_its_field(self, every_kind):
        response = superuser().do(every_kind, "run")

        named = {"text", "whole", "part", "yes", "mode", "level", "tags", "options", "day", "at"}
        assert response.status_code == 200
        assert set(response.context["form"].errors) == {f"parameters.{name}" for name in named}

    def test_every_parameter_that_makes_no_sense_is_said_at_its_field_and_stays(self, every_kind):
        typed = {"text": "", "whole": "1.5", "part": "nan", "yes": "7", "mode": "9", "level": "x", "tags": "[1",
                 "options": "[]", "day": "31.12.2026", "at": "noon"}  # fmt: skip

        response = superuser().do(every_kind, "run", **{f"parameters.{name}": value for name, value in typed.items()})

        assert set(response.context["form"].errors) >= {f"parameters.{name}" for name in typed if name != "options"}
        assert "31.12.2026" in text_of(response)
        assert not Job.objects.exists()

    def test_every_kind_of_parameter_reaches_the_job(self, every_kind):
        typed = {"text": "ACME", "whole": "3", "part": "1.5", "yes": "0", "mode": "0", "level": "1", "tags": '["a"]',
                 "options": '{"b": 1}', "day": "2026-12-31", "at": "2026-12-31T09:00"}  # fmt: skip

        superuser().do(every_kind, "run", **{f"parameters.{name}": value for name, value in typed.items()})

        assert Job.objects.get().parameters == {
            "text": "ACME", "whole": 3, "part": 1.5, "yes": True, "mode": "draft", "level": "high", "tags": ["a"],
            "options": {"b": 1}, "day": "2026-12-31", "at": "2026-12-31T09:00:00+00:00",
        }  # fmt: skip

    def test_the_job_has_what_was_typed_and_runs_as_was_asked(self):
        process = make.process(priority=3)
        robot = make.robot(of=process.tenant)
        visitor = superuser()
        asked = {"parameters.customer": "ACME", "parameters.amount": "12", "priority": "40"}

        response = visitor.do(process, "run", **asked, target_robot=robot.pk, available_at="2027-01-01T08:00")

        job = Job.objects.get()
        assert response.url == page_of(job)
        assert job.parameters == {"customer": "ACME", "amount": 12}
        assert (job.priority, job.target_robot, job.source) == (40, robot, "manual")
        assert job.available_at.isoformat() == "2027-01-01T08:00:00+00:00"
        assert job.created_by == f"person {visitor.person.username}"

    def test_defaults_of_the_process_stand_in_the_form(self):
        process = make.process(parameters={"customer": "ACME GmbH"})

        shown = text_of(superuser().get(page_of(process, "run")))

        assert 'value="ACME GmbH"' in shown

    def test_again_begins_with_the_parameters_of_the_job(self):
        job = make.job(parameters={"customer": "Globex", "amount": 7})
        visitor = superuser()

        shown = text_of(visitor.get(page_of(job, "again")))
        visitor.do(job, "again", **{"parameters.customer": "Globex", "parameters.amount": "8"})

        assert 'value="Globex"' in shown
        assert Job.objects.latest("pk").parameters == {"customer": "Globex", "amount": 8}

    def test_a_disabled_process_has_no_button_to_run_it(self):
        process = make.process(enabled=False)

        shown = text_of(superuser().open(process))

        assert page_of(process, "run") not in shown
        assert page_of(process, "enable") in shown

    def test_who_may_run_but_not_change_sees_just_that(self):
        process = make.process()
        visitor = with_permissions("processes.view_process", "processes.run_process", inside=process.tenant)

        shown = text_of(visitor.open(process))

        assert page_of(process, "run") in shown
        assert page_of(process, "edit") not in shown

    def test_the_signature_is_shown_as_a_table(self):
        text = '"""Adds up.\n\n    Args:\n        customer: Whose.\n    """'
        source = f"def main(customer: str, amount: int = 10):\n    {text}\n"
        version = make.package_version(source=source)
        visitor = superuser()

        shown = text_of(visitor.open(version)) + text_of(visitor.open(version.package))

        assert shown.count("<strong>customer</strong>") == 2
        assert shown.count("Whose.") == 2
        assert shown.count("Adds up.") == 2

    def test_a_script_takes_any_object(self):
        process = make.process(script_path="nightly.py")
        visitor = superuser()

        visitor.do(process, "run", parameters=json.dumps({"depth": 3}))

        assert Job.objects.get().parameters == {"depth": 3}
