"""What a job gets from its robot, and what its end is called."""

import json

import pytest

# Calling


def test_a_function_gets_its_parameters_and_its_return_value_is_the_result(done):
    source = "def main(name, times=2):\n    return {'greeting': f'hello {name}' * times}"

    job = done(source, parameters={"name": "Ada"})

    assert job.status == "completed"
    assert job.report["result"] == {"greeting": "hello Adahello Ada"}
    assert job.report["exit_code"] == 0
    assert job.report["error"] is None


def test_an_async_function_is_awaited(done):
    job = done("import asyncio\nasync def main(n):\n    await asyncio.sleep(0)\n    return n + 1", parameters={"n": 1})

    assert job.report["result"] == 2


def test_a_function_in_a_package_inside_the_project_is_found(done):
    job = done("", "flows.daily:run", files={"flows/daily__py": "def run():\n    return 'daily'"})

    assert job.report["result"] == "daily"


def test_parameters_that_the_function_does_not_take_are_left_out_and_said(done):
    job = done("def main(a):\n    return a", parameters={"a": 1, "b": 2})

    assert job.report["result"] == 1
    assert "The entrypoint does not take: b" in job.last.messages()


def test_a_function_that_takes_anything_by_name_gets_everything(done):
    job = done("def main(**all):\n    return all", parameters={"a": 1, "b": 2})

    assert job.report["result"] == {"a": 1, "b": 2}


def test_positional_only_and_keyword_only_parameters_are_matched_by_name(done):
    job = done("def main(a, b=5, /, *, c):\n    return [a, b, c]", parameters={"c": 3, "a": 1})

    assert job.report["result"] == [1, 5, 3]


def test_a_missing_parameter_is_named_before_anything_runs(done):
    job = done("def main(a):\n    print('ran')", parameters={"b": 1})

    assert job.report["error"]["code"] == "invalid_parameters"
    assert "missing a required argument: 'a'" in job.report["error"]["message"]
    assert "ran" not in job.last.messages()


def test_a_script_finds_its_parameters_in_the_environment_and_in_a_file(done):
    source = """
        import json, os
        print(json.loads(os.environ["BV_JOB_PARAMETERS"]), open(os.environ["BV_JOB_PARAMETERS_FILE"]).read())
    """

    job = done(source, "main.py", parameters={"n": 1})

    assert job.status == "completed"
    assert job.last.messages("stdout") == ["{'n': 1} {\"n\": 1}"]


def test_parameters_larger_than_an_environment_variable_still_arrive(done):
    source = "from bv_robot import job\ndef main(text):\n    return [len(text), len(job.parameters()['text'])]"

    job = done(source, parameters={"text": "x" * 300_000})

    assert job.report["result"] == [300_000, 300_000]


# Surroundings


def test_a_job_knows_who_it_is(done):
    source = "import os\ndef main():\n    return {n: v for n, v in os.environ.items() if n.startswith('BV_')}"

    job = done(source)

    facts = job.report["result"]
    assert facts["BV_JOB_ID"] == job.id
    assert facts["BV_EXECUTION_ID"] == job.last.id
    assert facts["BV_EFFECT_KEY"] == f"effect-of-{job.id}"
    assert facts["BV_EXECUTION_NUMBER"] == "1"
    assert facts["BV_PROCESS_NAME"] == "Invoices"


def test_a_job_sees_nothing_of_its_robots_credentials_or_environment(done, shared_robot):
    source = """
        import os, pathlib
        def main():
            everything = [pathlib.Path(f"/proc/self/{name}").read_text() for name in ("environ", "cmdline")]
            return "".join([*everything, str(dict(os.environ))]).replace("\\0", " ")
    """
    server, _ = shared_robot

    seen = done(source, parameters={"secret": "sesame"}).report["result"]

    assert "PATH" in seen
    assert "sesame" not in seen
    assert "OF_THE_ROBOT" not in seen
    assert not [token for token in server.tokens.values() if token in seen]


def test_each_job_works_in_a_fresh_copy_of_its_package(done):
    source = """
        import os, pathlib
        def main():
            seen = sorted(os.listdir("."))
            pathlib.Path("left.txt").write_text("left")
            pathlib.Path("main.py").write_text("broken")
            return seen
    """

    first, second = done(source), done(source)

    assert "main.py" in first.report["result"]
    assert first.report["result"] == second.report["result"]


def test_a_job_reads_an_empty_standard_input(done):
    assert done("import sys\ndef main():\n    return sys.stdin.read()").report["result"] == ""


def test_modules_of_the_robot_are_not_in_a_jobs_way(done):
    job = done("import logs\ndef main():\n    return logs.WHO", files={"logs__py": "WHO = 'mine'"})

    assert job.report["result"] == "mine"


def test_progress_travels_with_the_renewals(done):
    source = """
        import time
        from bv_robot import job
        def main():
            job.progress(40, step="reading", message="page \\udc80 2")
            time.sleep(1.2)
    """

    renewals = done(source).last.renewals

    told = {"percent": 40, "step": "reading", "message": "page \\udc80 2"}
    assert told in [renewal.get("progress") for renewal in renewals]
    assert any(0 < renewal.get("running_for", 0) < 10 and renewal.get("memory") for renewal in renewals)


def test_what_a_job_used_is_reported(done):
    usage = done("def main():\n    return sum(range(3_000_000))").report["usage"]

    assert usage["cpu_seconds"] > 0.01
    assert usage["max_memory"] > 1_000_000


# Ending badly


def test_an_exception_is_reported_with_its_type_message_and_the_authors_traceback(done):
    job = done("def main():\n    inner()\ndef inner():\n    raise KeyError('amount')")

    error = job.report["error"]
    assert (job.status, error["type"], error["message"], error["code"]) == (
        "failed", "KeyError", "'amount'", "application_error",
    )  # fmt: skip
    assert "in inner" in error["traceback"]
    assert "child.py" not in error["traceback"]
    assert "    raise KeyError('amount')" in job.last.messages()


def test_an_exception_in_an_async_function_shows_the_authors_lines_only(done):
    job = done("async def main():\n    raise ValueError('no')")

    assert job.report["error"]["type"] == "ValueError"
    assert "asyncio" not in job.report["error"]["traceback"]


@pytest.mark.parametrize(
    "definition",
    [
        "class BusinessError(Exception): pass\nclass Odd(BusinessError): pass",
        "class BusinessException(Exception): pass\nOdd = BusinessException",
        "class Odd(Exception): is_business_error = True",
    ],
    ids=["its name", "its other name", "its attribute"],
)
def test_an_error_of_the_business_is_known_by(done, definition):
    job = done(f"{definition}\ndef main():\n    raise Odd('no such customer')")

    assert job.report["error"]["code"] == "business_error"
    assert job.report["error"]["message"] == "no such customer"


def test_a_type_error_inside_the_function_is_the_applications(done):
    job = done("def main(a):\n    return 1 + a", parameters={"a": "x"})

    assert job.report["error"]["code"] == "application_error"


@pytest.mark.parametrize(
    ("returned", "reason"),
    [
        ("{1, 2}", "returned set, which is not JSON"),
        ("float('nan')", "returned float, which is not JSON"),
        ("2 ** 60", "beyond ±2^53"),
        ("'a\\x00b'", "NUL"),
        ("'\\udc80'", "surrogate"),
        ("__import__('functools').reduce(lambda inner, _: [inner], range(40), 1)", "nested more than"),
    ],
)
def test_a_result_that_is_not_fit_for_json_fails_with_the_reason(done, returned, reason):
    job = done(f"def main():\n    return {returned}")

    assert job.report["error"]["type"] == "ResultNotJson"
    assert reason in job.report["error"]["message"]


def test_a_result_beyond_the_limit_fails_with_the_limit(done):
    job = done("def main():\n    return 'x' * 1_100_000")

    assert job.report["error"]["type"] == "ResultTooLarge"


@pytest.mark.parametrize(
    ("source", "kind", "exit_code"),
    [
        ("import sys\ndef main():\n    sys.exit(3)", "SystemExit", 3),
        ("import os\ndef main():\n    os._exit(4)", "ProcessDied", 4),
        ("import os\ndef main():\n    os.kill(os.getpid(), 11)", "ProcessDied", -11),
    ],
    ids=["sys.exit", "os._exit", "a crash"],
)
def test_an_end_without_a_result_is_a_failure(done, source, kind, exit_code):
    job = done(source)

    assert job.status == "failed"
    assert job.report["error"]["type"] == kind
    assert job.report["exit_code"] == exit_code


def test_leaving_with_exit_code_zero_is_a_success(done):
    assert done("import sys\ndef main():\n    sys.exit(0)").status == "completed"


def test_a_script_that_leaves_hard_with_zero_is_a_success(done):
    assert done("import os\nos._exit(0)", "main.py").status == "completed"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("missing:main", "The package has no module missing."),
        ("main:missing", "The module main has no function missing."),
        ("missing.py", "The package has no file missing.py."),
        ("../main.py", "The package has no file ../main.py."),
        ("main", "neither module:function nor a .py file"),
    ],
)
def test_an_entrypoint_that_is_not_there_is_the_packages_fault(done, command, message):
    job = done("def main(): pass", command)

    assert job.report["error"]["code"] == "package_error"
    assert message in job.report["error"]["message"]


def test_a_module_that_its_own_import_lacks_is_the_applications_fault(done):
    job = done("import not_installed_anywhere\ndef main(): pass")

    assert job.report["error"]["type"] == "ModuleNotFoundError"
    assert job.report["error"]["code"] == "application_error"


def test_a_very_long_traceback_loses_its_middle(done):
    job = done("def main():\n    raise ValueError('x' * 100_000)")

    assert len(json.dumps(job.report["error"])) < 50_000
    assert "characters left out" in job.report["error"]["message"]
