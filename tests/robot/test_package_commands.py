"""``bv-robot package build|validate|publish``."""

import json
import zipfile

import pytest
from bv_robot.packages import checking

from tests import robots_at_work
from tests.robot.packages import MANIFEST, package, wheel, zipped
from tests.robot.stand_in import API_KEY

FIRST_FIVE = ["bvproject.yaml", "main.py", "requirements.lock", "manifest.json", "entry-points.json"]


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    (folder / "flows").mkdir(parents=True)
    (folder / "bvproject.yaml").write_text(MANIFEST)
    (folder / "main.py").write_text("def main(name: str):\n    return name\n")
    (folder / "flows" / "__init__.py").write_text("")
    (folder / "flows" / "daily.py").write_text("async def run(): ...\n")
    return folder


def validate(path):
    done = robots_at_work.run_command("package", "validate", str(path))
    return done.returncode, [json.loads(line)["error"] for line in done.stderr.splitlines()]


def problems_of(path):
    return [str(problem) for problem in checking.check(path)]


def build(project, output):
    done = robots_at_work.run_command("package", "build", str(project), "-o", str(output))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# Build


def test_a_package_holds_the_sources_and_what_describes_them(project, tmp_path):
    built = build(project, tmp_path / "out")

    with zipfile.ZipFile(built["file"]) as archive:
        names = archive.namelist()
        entry_points = json.loads(archive.read("entry-points.json"))
        manifest = json.loads(archive.read("manifest.json"))
    assert names == [*FIRST_FIVE, "flows/__init__.py", "flows/daily.py"]
    assert entry_points["entryPoints"] == [
        {
            "name": "main",
            "command": "main:main",
            "filePath": "main.py",
            "function": "main",
            "type": "rpa",
            "default": True,
        }
    ]
    assert (manifest["name"], manifest["version"], manifest["entrypoint"]) == ("invoices", "1.0.0", "main:main")


def test_the_same_files_give_the_same_bytes(project, tmp_path):
    first = build(project, tmp_path / "one")
    (project / "main.py").touch()

    second = build(project, tmp_path / "two")

    assert first["sha256"] == second["sha256"]


def test_what_does_not_belong_into_a_package_is_left_out(project, tmp_path):
    for name in (".venv/lib.py", "__pycache__/main.pyc", ".git/config", "dist/old.bvpackage", ".env", "x.egg-info/a"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text("secret")

    built = build(project, tmp_path / "out")

    with zipfile.ZipFile(built["file"]) as archive:
        assert archive.namelist() == [*FIRST_FIVE, "flows/__init__.py", "flows/daily.py"]


def test_a_built_package_is_valid_and_runs(server, start_robot, project, tmp_path):
    built = build(project, tmp_path / "out")
    content = (tmp_path / "out" / "invoices_1.0.0.bvpackage").read_bytes()
    job = server.add_job(server.add_package(content), parameters={"name": "Ada"})

    start_robot()

    server.wait_for_end(job)
    assert validate(built["file"]) == (0, [])
    assert job.report["result"] == "Ada"


def test_dependencies_without_a_lock_are_pinned(project, tmp_path):
    text = f"{MANIFEST}  dependencies:\n    - 'tinylib @ file://{wheel(tmp_path)}'\n"
    (project / "bvproject.yaml").write_text(text)

    built = build(project, tmp_path / "out")

    with zipfile.ZipFile(built["file"]) as archive:
        assert "tinylib @ file://" in archive.read("requirements.lock").decode()


@pytest.mark.parametrize("wanted", [">=3.11", "3.11", ">=3.11,<3.20"])
def test_dependencies_are_pinned_for_the_python_that_is_asked_for(project, tmp_path, wanted):
    text = f"{MANIFEST}  python_version: '{wanted}'\n  dependencies: ['tinylib @ file://{wheel(tmp_path)}']\n"
    (project / "bvproject.yaml").write_text(text)

    built = build(project, tmp_path / "out")

    with zipfile.ZipFile(built["file"]) as archive:
        assert "tinylib @ file://" in archive.read("requirements.lock").decode()


@pytest.mark.parametrize("command", ["validate", "build", "publish"])
def test_a_path_that_does_not_exist_is_named(command):
    refused = robots_at_work.run_command("package", command, "nowhere")

    assert refused.returncode == 2
    assert "'nowhere' does not exist" in refused.stderr


def test_dependencies_that_cannot_be_found_tell_the_installers_reason(project, tmp_path):
    text = f"{MANIFEST}  dependencies: ['tinylib @ file:///nowhere/tinylib-1.0-py3-none-any.whl']\n"
    (project / "bvproject.yaml").write_text(text)

    refused = robots_at_work.run_command("package", "build", str(project), "-o", str(tmp_path))

    assert refused.returncode == 1
    assert "requirements.lock: " in refused.stderr


def test_a_project_with_problems_is_not_built(project, tmp_path):
    (project / "main.py").write_text("def main(:\n")

    refused = robots_at_work.run_command("package", "build", str(project), "-o", str(tmp_path / "out"))

    assert refused.returncode == 1
    assert "main.py:1: is not Python" in refused.stderr
    assert not (tmp_path / "out").exists()


# Validate


def test_every_problem_is_named_with_its_file_and_line(project):
    (project / "bvproject.yaml").write_text(
        "project:\n"
        "  name: in valid\n"
        "  version: 1.0\n"
        "  type: other\n"
        "  type: rpa\n"
        "  dependencies: none\n"
        "  entrypoints:\n"
        "    - name: a\n"
        "      command: main:missing\n"
        "    - name: a\n"
        "      command: missing:main\n"
        "    - name: b\n"
        "      command: not a command\n"
        "    - name: c\n"
        "      command: missing.py\n"
        "    - just text\n"
    )
    (project / "requirements.lock").write_text("# fine\na==1\nb>=2\n--hash=sha256:x\n")
    (project / "flows" / "daily.py").write_text("x = 1\ndef broken(:\n")
    (project / "link.py").symlink_to("main.py")

    code, problems = validate(project)

    assert code == 1
    assert problems == [
        "bvproject.yaml:2: name should be letters, digits, _ and -",
        'bvproject.yaml:3: version should be quoted: version: "1.0"',
        "bvproject.yaml:5: type is given twice",
        "bvproject.yaml:6: dependencies should be a list of requirements",
        "bvproject.yaml:7: exactly one entrypoint should have default: true",
        "bvproject.yaml:10: the entrypoint a is there twice",
        "bvproject.yaml:10: there is no module missing",
        "bvproject.yaml:12: the command 'not a command' should be module:function or a .py file",
        "bvproject.yaml:14: there is no file missing.py",
        "bvproject.yaml:16: an entrypoint has a name and a command",
        "flows/daily.py:2: is not Python: invalid syntax",
        "link.py: is a link; packages hold plain files only",
        "main.py: has no function missing, which the entrypoint a names",
        "requirements.lock:3: 'b>=2' is not pinned to one version (name==1.2.3)",
    ]


@pytest.mark.parametrize(
    "text",
    [
        'name: invoices\nversion: "1.0.0"\nentrypoints: [{name: main, command: "main:main", default: true}]',
        'project: {name: invoices, version: "1.0.0", entrypoint: "main:main"}',
        'project: {name: invoices, version: "1.0.0", entrypoint: main.py, type: agent}',
        'project: {name: invoices, version: "1.0.0", entrypoints: [{name: d, command: "flows.daily:run"}]}',
    ],
    ids=["flat", "one entrypoint", "a script", "a function in a package"],
)
def test_every_dialect_of_the_manifest_is_read(project, text):
    (project / "bvproject.yaml").write_text(text)

    assert problems_of(project) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "bvproject.yaml:1: should hold names and values"),
        ("a: [", "bvproject.yaml:1: is not YAML: expected the node content, but found '<stream end>'"),
        ("project: {}", "bvproject.yaml:1: name should be letters, digits, _ and -"),
    ],
)
def test_a_manifest_that_cannot_be_read_says_where(project, text, problem):
    (project / "bvproject.yaml").write_text(text)

    problems = problems_of(project)

    assert problem in problems


def test_a_manifest_that_is_missing_or_no_text_is_said(project):
    (project / "bvproject.yaml").write_bytes(b"\xff")
    no_text = problems_of(project)
    (project / "bvproject.yaml").unlink()

    missing = problems_of(project)

    assert no_text == ["bvproject.yaml: is not UTF-8"]
    assert missing == ["bvproject.yaml: is missing"]


def test_a_package_file_is_checked_for_what_it_must_hold(tmp_path):
    path = tmp_path / "a.bvpackage"
    path.write_bytes(zipped({"bvproject.yaml": MANIFEST, "main.py": "def main(): ..."}))

    problems = problems_of(path)

    assert problems == [
        "entry-points.json: is missing from the package",
        "manifest.json: is missing from the package",
        "requirements.lock: is missing from the package",
    ]


def test_an_unsafe_package_file_is_named(tmp_path):
    path = tmp_path / "a.bvpackage"
    path.write_bytes(zipped({"../main.py": ""}))

    problems = problems_of(path)

    assert problems == ["a.bvpackage: the package holds a path outside itself: '../main.py'"]


# Publish


def test_a_project_is_built_and_published_with_an_api_key(server, project, tmp_path):
    environ = {"ORCHESTRATOR_URL": server.url, "ORCHESTRATOR_API_KEY": API_KEY}

    done = robots_at_work.run_command("package", "publish", str(project), environ=environ, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["message"] == "Published invoices 1.0.0"
    assert (tmp_path / "dist" / "invoices_1.0.0.bvpackage").read_bytes() in server.uploads[0]


def test_every_problem_that_the_orchestrator_finds_is_shown(server, tmp_path):
    path = tmp_path / "a.bvpackage"
    path.write_bytes(package())
    found = [{"file": "main.py", "line": 3, "message": "is wrong"}, {"field": "file", "detail": "is there already"}]
    server.faults.answer("upload", 400, "invalid", errors=found)

    refused = robots_at_work.run_command("package", "publish", str(path), "--url", server.url, "--key", API_KEY)

    assert refused.returncode == 1
    assert [json.loads(line)["error"] for line in refused.stderr.splitlines()] == [
        "main.py:3: is wrong",
        "file: is there already",
    ]


def test_publishing_without_a_key_says_what_is_missing(tmp_path):
    refused = robots_at_work.run_command("package", "publish", str(tmp_path))

    assert "--url and --key" in refused.stderr


def test_publishing_with_a_wrong_key_is_refused(server, tmp_path):
    path = tmp_path / "a.bvpackage"
    path.write_bytes(package())

    refused = robots_at_work.run_command("package", "publish", str(path), "--url", server.url, "--key", "wrong")

    assert json.loads(refused.stderr) == {"error": "bad_key (401 bad_key)"}
