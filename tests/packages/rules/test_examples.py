"""The examples are packages that are in order, and they do what they say."""

import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from apps.packages.rules import parameters, validation

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"
NAMES = [
    "checks", "child-jobs", "hello", "invoices", "log-fields", "long-run", "report-files", "traced-steps",
]  # fmt: skip
CALL = """
import asyncio, importlib, inspect, json, sys
module, function, given = sys.argv[1:]
result = getattr(importlib.import_module(module), function)(**json.loads(given))
result = asyncio.run(result) if inspect.isawaitable(result) else result
print("RESULT", json.dumps(result))
"""


def built(name: str, folder: Path) -> Path:
    """Pack an example as a builder does: always the same bytes."""
    path = folder / f"{name}.bvpackage"
    files = sorted(one for one in (EXAMPLES / name).rglob("*") if one.is_file() and "__pycache__" not in one.parts)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        for file in files:
            member = zipfile.ZipInfo(file.relative_to(EXAMPLES / name).as_posix(), (2020, 1, 1, 0, 0, 0))
            package.writestr(member, file.read_bytes(), zipfile.ZIP_DEFLATED)
    return path


def started(name: str, *arguments: str, cwd: Path, **environment: str) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(EXAMPLES / name), str(ROOT / "robot")])
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def called(example: str, module: str, function: str, cwd: Path, **given: object) -> tuple[object, str]:
    """Call an entrypoint with parameters as a robot does; return its result and what it wrote to its error stream."""
    process = started(example, "-c", CALL, module, function, json.dumps(given), cwd=cwd)
    out, err = process.communicate(timeout=60)
    lines = [line.removeprefix("RESULT ") for line in out.splitlines() if line.startswith("RESULT ")]
    return (json.loads(lines[0]) if lines else None), err


def test_every_example_is_tried_here():
    assert sorted(one.name for one in EXAMPLES.iterdir() if one.is_dir()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_an_example_makes_a_package_that_is_in_order(name, tmp_path):
    first, again = built(name, tmp_path).read_bytes(), built(name, tmp_path).read_bytes()

    found = validation.validate(tmp_path / f"{name}.bvpackage")

    assert (found.problems, found.warnings) == ((), ())
    assert found.manifest.name == name
    assert first == again
    assert (EXAMPLES / name / "README.md").read_text().strip().count("\n") == 0


@pytest.mark.parametrize(
    ("name", "entrypoint", "given"),
    [
        ("hello", "main", {"name": "Ada", "count": 2}),
        ("invoices", "totals", {"selection": {"currency": "CHF"}, "order": "total", "bad_rows": "skip"}),
        ("checks", "hosts", {"addresses": ["localhost"], "port": 1}),
        ("checks", "disk", {"free_percent": 1}),
        ("checks", "machine", {"facts": ["python"]}),
        ("long-run", "main", {"seconds": 1}),
        ("log-fields", "main", {"least": 10}),
        ("report-files", "main", {"text": "a b"}),
        ("traced-steps", "main", {"question": "why"}),
        ("child-jobs", "main", {"numbers": [1, 2]}),
        ("child-jobs", "part", {"numbers": []}),
    ],
)
def test_what_the_examples_are_given_here_fits_their_signatures(name, entrypoint, given, tmp_path):
    found = validation.validate(built(name, tmp_path))

    schema = next(one.signature.input_schema for one in found.entrypoints if one.entrypoint.name == entrypoint)
    assert parameters.problems(schema, given) == []


@pytest.mark.parametrize(
    ("name", "given", "told"),
    [
        ("hello", {"count": 0}, [("count", "must be at least 1, not 0")]),
        ("hello", {"nane": "x"}, [("nane", "is not known; known are: name, count, pause")]),
        ("invoices", {"order": "size"}, [("order", "must be one of 'customer', 'total', not 'size'")]),
        ("checks", {}, [("addresses", "is required")]),
    ],
)
def test_what_does_not_fit_an_example_is_told(name, given, told, tmp_path):
    found = validation.validate(built(name, tmp_path))

    assert parameters.problems(found.entrypoints[0].signature.input_schema, given) == told


def test_hello_greets(tmp_path):
    result, _ = called("hello", "main", "main", tmp_path, name="Ada", count=2, pause=0)

    assert result == {"greetings": ["Hello, Ada! (1 of 2)", "Hello, Ada! (2 of 2)"], "count": 2}


def test_invoices_are_added_up_and_reported(tmp_path):
    result, _ = called("invoices", "invoices.totals", "run", tmp_path, bad_rows="skip", order="total")

    assert result["totals"] == {"Alder & Sons": "1280.50", "Birch Ltd": "449.94"}
    assert (tmp_path / "report.csv").read_text().splitlines()[1] == "Alder & Sons,1280.50"


def test_invoices_are_selected(tmp_path):
    selection = {"currency": "CHF", "since": "2026-02-01", "at_least": 10}

    result, _ = called("invoices", "invoices.totals", "run", tmp_path, selection=selection, bad_rows="skip")

    assert result["totals"] == {"Cedar GmbH": "15.00"}


def test_an_invoice_that_makes_no_sense_is_a_business_error(tmp_path):
    result, err = called("invoices", "invoices.totals", "run", tmp_path)

    assert result is None
    assert err.strip().endswith("BusinessError: invoices.csv, line 8: '' is not an amount.")


def test_checks_ask_all_hosts(tmp_path):
    result, _ = called("checks", "main", "hosts", tmp_path, addresses=["127.0.0.1"], port=1, patience=5)

    assert result == {"127.0.0.1": False}


def test_checks_look_at_the_disk(tmp_path):
    result, _ = called("checks", "main", "disk", tmp_path, free_percent=0)

    assert result["is_enough"] is True


def test_the_script_takes_parameters_from_the_environment(tmp_path):
    script = str(EXAMPLES / "checks" / "scripts" / "machine.py")

    process = started("checks", script, cwd=tmp_path, BV_JOB_PARAMETERS='{"facts": ["python"]}')
    out, _ = process.communicate(timeout=60)
    refused = started("checks", script, cwd=tmp_path, BV_JOB_PARAMETERS='{"facts": ["colour"]}')
    _, err = refused.communicate(timeout=60)

    assert (process.returncode, out) == (0, f"python: {sys.version.split()[0]}\n")
    assert (refused.returncode, err) == (1, "No such fact: colour. There are: system, release, python.\n")


def test_payments_are_booked_by_hand_too(tmp_path):
    result, _ = called("log-fields", "main", "main", tmp_path)

    assert result == {"P-1": 120.0, "P-3": 80.5}


def test_words_are_counted_and_drawn(tmp_path):
    channel = tmp_path / "channel"
    channel.mkdir()
    given = json.dumps({"text": "b a b"})
    process = started("report-files", "-c", CALL, "main", "main", given, cwd=tmp_path, BV_JOB_CHANNEL=str(channel))
    process.communicate(timeout=60)

    table, picture = (path.read_bytes() for path in sorted((channel / "artefacts").glob("*.data")))
    assert table.split() == [b"word,count", b"b,2", b"a,1"]
    assert picture.startswith(b"\x89PNG")


def test_steps_are_taken_by_hand_too(tmp_path):
    result, _ = called("traced-steps", "main", "main", tmp_path, question="A job?")

    assert result == "A job is one run of a process."


def test_a_part_needs_no_orchestrator_but_its_parent_does(tmp_path):
    result, _ = called("child-jobs", "main", "part", tmp_path, numbers=[1, 2])
    _, err = called("child-jobs", "main", "main", tmp_path, numbers=[1, 2])

    assert result == 5
    assert "Only a job's own process, run by a robot, can ask its orchestrator." in err


def test_a_long_run_ends_by_itself(tmp_path):
    result, _ = called("long-run", "main", "main", tmp_path, seconds=0)

    assert result == {"worked": 0, "was_stopped": False}
    assert list(tmp_path.iterdir()) == []


def test_a_long_run_tidies_up_when_it_is_stopped(tmp_path):
    channel = tmp_path / "channel"
    channel.mkdir()
    (channel / "cancelled").touch()
    process = started(
        "long-run", "-c", CALL, "main", "main", '{"seconds": 600}', cwd=tmp_path, BV_JOB_CHANNEL=str(channel)
    )

    out, _ = process.communicate(timeout=60)

    assert json.loads(out.removeprefix("RESULT "))["was_stopped"] is True
    assert not (tmp_path / "half-done.txt").exists()


def test_a_long_run_tidies_up_when_it_is_cancelled(tmp_path):
    program = "import signal\nsignal.signal(signal.SIGTERM, lambda *_: exit(3))\n" + CALL
    process = started("long-run", "-c", program, "main", "main", '{"seconds": 600, "tick": 60}', cwd=tmp_path)
    scratch = tmp_path / "half-done.txt"
    waited(scratch.exists)

    process.terminate()
    process.communicate(timeout=60)

    assert process.returncode == 3
    assert not scratch.exists()


def waited(happened) -> None:
    """Wait until something has happened, for a minute at most."""

    until = time.monotonic() + 60
    while not happened() and time.monotonic() < until:
        time.sleep(0.01)
