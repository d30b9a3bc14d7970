"""Scripts that lie on the robot's own disk, which its operator must have allowed."""

import pytest
from bv_robot import preparing
from bv_robot.preparing import UnusableSource


@pytest.fixture
def scripts(tmp_path):
    directory = tmp_path / "scripts"
    (directory / "daily").mkdir(parents=True)
    (directory / "daily" / "helper.py").write_text("WHO = 'helper'")
    (directory / "daily" / "report.py").write_text(
        "import json, os, helper\nprint(helper.WHO, json.loads(os.environ['BV_JOB_PARAMETERS'])['n'], os.listdir('.'))"
    )
    return directory


def test_an_allowed_script_runs_in_a_directory_of_its_own(server, start_robot, scripts):
    job = server.add_job(None, script_path="daily/report.py", entrypoint=None, parameters={"n": 5})

    start_robot(environ={"BV_ROBOT_SCRIPT_DIRECTORIES": str(scripts)})

    server.wait_for_end(job)
    assert job.status == "completed"
    assert job.last.messages("stdout") == ["helper 5 []"]
    assert server.calls("sessions")[0].body["capabilities"]["legacy_scripts"] is True


def test_a_script_on_a_robot_that_allows_none_fails_and_names_the_setting(server, start_robot):
    job = server.add_job(None, script_path="/etc/passwd", entrypoint=None)

    start_robot()

    server.wait_for_end(job)
    assert job.report["error"]["code"] == "package_error"
    assert "script_directories" in job.report["error"]["message"]


def test_a_script_may_be_named_by_its_whole_path(scripts):
    script = scripts / "daily" / "report.py"

    assert preparing.allowed_script(str(script), ["/nowhere", str(scripts)]) == script


@pytest.mark.parametrize("path", ["../outside.py", "/etc/passwd", "daily/missing.py", "daily", "link.py", "\x00"])
def test_a_path_that_leads_elsewhere_is_refused(scripts, path):
    (scripts.parent / "outside.py").touch()
    (scripts / "link.py").symlink_to(scripts.parent / "outside.py")

    with pytest.raises(UnusableSource):
        preparing.allowed_script(path, [str(scripts)])
