"""The robot as a service: the definitions, and installing them. Their managers are not run here."""

import json
import os
import plistlib
import shutil
import stat
import subprocess
from xml.etree import ElementTree

import pytest
from bv_robot import itself
from bv_robot.config import Home
from bv_robot.services import installing, launchd, schtasks, systemd
from bv_robot.services.wanted import NotPossible

from tests import robots_at_work

VERIFIER = shutil.which("systemd-analyze")
#: Where systemd is not installed nothing can verify a unit but the tests of its text.
VERIFY = [VERIFIER, "verify", "--man=no"] if VERIFIER else ["true"]
TASK = f"{{{schtasks.NAMESPACE}}}"


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path / "a home, 100%")
    made.root.mkdir()
    return made


def wanted(home, **given):
    return installing.wanted_service(home, **{"is_of_system": False, "run_as": "press"} | given)


# systemd


def lines_of(unit):
    return [line for line in unit.splitlines() if line and not line.startswith("#")]


def test_a_unit_lets_the_robot_finish_its_jobs_and_hardens_it(home):
    lines = lines_of(systemd.unit(wanted(home, is_of_system=True, stop_within=7200)))

    expected = {"KillMode=mixed", "TimeoutStopSec=7200", "Restart=always", "Delegate=yes", "User=press", "UMask=0077"}
    hardened = {"NoNewPrivileges=yes", "ProtectSystem=strict", "PrivateTmp=yes", "CapabilityBoundingSet="}
    assert expected | hardened <= set(lines)
    escaped = str(home.root).replace("%", "%%")
    assert f'ReadWritePaths="{escaped}"' in lines
    assert f"EnvironmentFile=-{escaped}/service.env" in lines


def test_a_unit_of_a_user_asks_for_nothing_that_only_the_system_can_do(home):
    unit = systemd.unit(wanted(home))

    assert "WantedBy=default.target" in unit
    assert "NoNewPrivileges=yes" in unit
    assert not [line for line in lines_of(unit) if line.startswith(("Protect", "User=", "Private"))]


@pytest.mark.parametrize("is_of_system", [True, False], ids=["system", "user"])
def test_systemd_finds_nothing_wrong_with_a_unit(home, tmp_path, is_of_system):
    unit = systemd.unit(wanted(home, is_of_system=is_of_system, robots=3, run_as="root"))
    file = tmp_path / "bv-robot.service"
    file.write_text(unit)

    done = subprocess.run([*VERIFY, file], capture_output=True, text=True, check=False)

    assert (done.returncode, [line for line in done.stderr.splitlines() if "bv-robot" in line]) == (0, [])


def test_what_the_service_runs_is_this_robot_with_the_flags_given(home):
    command = wanted(home, names=["left", "right"], url="https://orchestrator.example").command

    flags = ["--name", "left", "--name", "right", "--url", "https://orchestrator.example"]
    assert command == itself.command("run", "--home", str(home.root), *flags)


def test_an_argument_means_to_systemd_what_it_means_to_us(home):
    unit = systemd.unit(wanted(home, url='http://h/"$x%'))
    [line] = [line for line in lines_of(unit) if line.startswith("ExecStart")]

    assert line.endswith(r'--url "http://h/\"$$x%%"')


def test_without_systemd_installing_says_what_to_do_instead(home, tmp_path):
    with pytest.raises(NotPossible, match=r"systemd does not run this machine.*shown by --print"):
        systemd.check(wanted(home), runtime=tmp_path / "nowhere")


# launchd


@pytest.mark.parametrize("is_of_system", [True, False], ids=["daemon", "agent"])
def test_a_property_list_keeps_the_robot_alive_and_lets_it_finish(home, is_of_system):
    asked = wanted(home, is_of_system=is_of_system)

    listed = plistlib.loads(launchd.unit(asked).encode())

    assert listed["ProgramArguments"] == list(asked.command)
    assert (listed["KeepAlive"], listed["RunAtLoad"], listed["ExitTimeOut"]) == (True, True, 3600)
    assert listed.get("UserName") == ("press" if is_of_system else None)
    assert launchd.path_of(asked).name == f"{listed['Label']}.plist"


# Windows


def test_a_task_at_logon_runs_in_the_session_with_the_desktop(home):
    task = ElementTree.fromstring(schtasks.unit(wanted(home)).partition("\n")[2])

    assert task.find(f"{TASK}Triggers/{TASK}LogonTrigger/{TASK}UserId").text == "press"
    principal = task.find(f"{TASK}Principals/{TASK}Principal")
    assert {part.tag.removeprefix(TASK): part.text for part in principal} == {
        "UserId": "press",
        "LogonType": "InteractiveToken",
        "RunLevel": "LeastPrivilege",
    }
    assert task.find(f"{TASK}Settings/{TASK}ExecutionTimeLimit").text == "PT0S"
    assert task.find(f"{TASK}Settings/{TASK}RestartOnFailure/{TASK}Interval").text == "PT1M"


def test_a_task_of_the_system_starts_with_the_machine_and_without_rights(home):
    task = ElementTree.fromstring(schtasks.unit(wanted(home, is_of_system=True)).partition("\n")[2])

    assert task.find(f"{TASK}Triggers/{TASK}BootTrigger/{TASK}Enabled").text == "true"
    assert task.find(f"{TASK}Principals/{TASK}Principal/{TASK}UserId").text == schtasks.LOCAL_SERVICE
    action = task.find(f"{TASK}Actions/{TASK}Exec")
    assert action.find(f"{TASK}WorkingDirectory").text == str(home.root)
    assert f'--home "{home.root}"' in action.find(f"{TASK}Arguments").text


def test_the_elements_of_a_task_come_in_the_order_that_windows_demands(home):
    task = ElementTree.fromstring(schtasks.unit(wanted(home)).partition("\n")[2])

    assert [part.tag.removeprefix(TASK) for part in task] == [
        "RegistrationInfo",
        "Triggers",
        "Principals",
        "Settings",
        "Actions",
    ]


# Installing


class Manager:
    """A manager of services whose commands are noted by a program of ours, and whose definitions lie in a directory."""

    def __init__(self, directory):
        self.directory, self.said = directory, directory / "said"

    def unit(self, wanted):
        return systemd.unit(wanted)

    def path_of(self, wanted):
        return self.directory / "units" / f"{wanted.label}.service"

    def check(self, wanted):
        return None

    def after_writing(self, wanted):
        return [["sh", "-c", f"echo started >> '{self.said}'"]]

    def before_removing(self, wanted):
        return [["sh", "-c", f"echo ended >> '{self.said}'"]]

    def after_removing(self, wanted):
        return []


@pytest.fixture
def manager(tmp_path):
    return Manager(tmp_path)


def test_installing_again_changes_what_is_there(manager, home):
    installing.install(manager, wanted(home), key=None)
    installing.install(manager, wanted(home, robots=2), key=None)

    [unit] = manager.path_of(wanted(home)).parent.iterdir()
    assert "--robots 2" in unit.read_text()
    assert manager.said.read_text() == "started\nstarted\n"


def test_a_key_waits_for_the_first_start_where_nobody_else_can_read_it(manager, home):
    installing.install(manager, wanted(home), key="bvt_secret")

    assert home.key_file.read_text() == "bvt_secret"
    assert stat.S_IMODE(home.key_file.stat().st_mode) == 0o600
    assert "bvt_secret" not in manager.path_of(wanted(home)).read_text()


def test_uninstalling_ends_the_service_and_leaves_the_home(manager, home):
    installing.install(manager, wanted(home), key=None)

    installing.uninstall(manager, wanted(home))
    installing.uninstall(manager, wanted(home))

    assert not manager.path_of(wanted(home)).exists()
    assert manager.said.read_text() == "started\nended\n"
    assert home.spool.is_dir()


def test_a_service_of_the_system_needs_a_user_that_exists(manager, home):
    with pytest.raises(NotPossible, match=r"useradd --system|needs an administrator"):
        installing.check(manager, wanted(home, is_of_system=True, run_as="nobody-by-this-name"))


def test_a_command_of_the_machine_that_fails_is_named_with_its_words(manager, home):
    manager.after_writing = lambda wanted: [["sh", "-c", "echo no bus >&2; exit 1"]]

    with pytest.raises(NotPossible, match="no bus"):
        installing.install(manager, wanted(home), key=None)


def test_a_name_that_no_file_can_have_is_refused(home):
    with pytest.raises(NotPossible, match="use letters"):
        wanted(home, names=["a/b"])


@pytest.mark.parametrize(("platform", "manager"), [("linux", systemd), ("darwin", launchd), ("win32", schtasks)])
def test_each_kind_of_machine_has_its_manager(platform, manager):
    assert installing.manager_here(platform) is manager


# The commands


def test_print_shows_the_definition_and_changes_nothing(tmp_path):
    place = tmp_path / "home"

    shown = robots_at_work.run_command(
        "install-service", "--system", "--robots", "2", "--home", str(place), "--print",
        environ={"ORCHESTRATOR_API_KEY": "bvt_secret", "ORCHESTRATOR_URL": "https://orchestrator.example"},
    )  # fmt: skip

    assert shown.returncode == 0
    assert "-m bv_robot run --home" in shown.stdout
    assert "--robots 2 --url https://orchestrator.example" in shown.stdout
    assert "bvt_secret" not in shown.stdout
    assert not place.exists()


def test_a_service_is_refused_in_one_sentence_where_it_cannot_be(tmp_path):
    environ = {"PATH": os.devnull, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}

    refused = robots_at_work.run_command("install-service", "--home", str(tmp_path / "home"), environ=environ)

    assert refused.returncode == 1
    assert "system" in json.loads(refused.stderr)["error"]


def test_a_key_left_by_an_installation_enrols_and_is_gone_then(server, home):
    home.key_file.write_text("bvt_for_tests")

    with robots_at_work.running(home=home.root, url=server.url, flags=("--until-idle",)) as robot:
        assert robot.wait() == 0

    assert len(server.tokens) == 1
    assert not home.key_file.exists()
