"""What a package says of itself, in every dialect that is in use."""

import hashlib
import json

import pytest

from apps.packages.rules.manifests import Entrypoint, Kind, name_problem, version_key, version_problem
from apps.packages.rules.validation import Report
from tests.packages.rules import zips
from tests.packages.rules.reports import places, report, warnings

NESTED = """\
project:
  name: demo
  type: agent
  version: "1.2.3"
  description: Does it.
  python_version: "3.11"
  venv_dir: .venv
  dependencies: [bv-runtime]
  entrypoints:
    - name: main
      command: main:run
      default: true
    - name: nightly
      command: jobs/nightly.py
"""
FLAT = """\
name: demo
version: 1.0.0
entrypoints:
  - {name: main, command: "main:run", default: true}
"""
NIGHTLY = {"jobs/nightly.py": "print(1)"}


def project(text: str, **files: str | bytes) -> Report:
    return report({"bvproject.yaml": text, **files})


def test_a_nested_project_is_read():
    found = project(NESTED, **NIGHTLY)

    assert found.problems == ()
    assert found.manifest.name == "demo"
    assert found.manifest.version == "1.2.3"
    assert found.manifest.kind is Kind.AGENT
    assert found.manifest.description == "Does it."
    assert found.manifest.python_version == "3.11"
    assert found.manifest.dependencies == ("bv-runtime",)
    assert found.manifest.lock_sha256 == hashlib.sha256(b"").hexdigest()
    assert found.manifest.entrypoints == (
        Entrypoint("main", "main:run", is_default=True, line=10),
        Entrypoint("nightly", "jobs/nightly.py", is_default=False, line=13),
    )
    assert found.manifest.default_entrypoint.name == "main"


def test_entrypoints_know_their_parts():
    function, script = Entrypoint("a", "pkg.mod:run", True), Entrypoint("b", "jobs/nightly.py", False)

    assert (function.module, function.function, function.script) == ("pkg.mod", "run", None)
    assert (script.module, script.function, script.script) == (None, None, "jobs/nightly.py")
    assert function.as_json() == {"name": "a", "command": "pkg.mod:run", "default": True}


def test_a_flat_project_is_read():
    found = project(FLAT)

    assert found.is_valid
    assert found.manifest.kind is Kind.RPA
    assert found.manifest.python_version == ""


@pytest.mark.parametrize("command", ["main.py", "main:run"])
@pytest.mark.parametrize("indent", ["", "  "])
def test_the_single_entrypoint_of_old_projects_is_called_main(command, indent):
    head = "project:\n" if indent else ""
    found = project(f"{head}{indent}name: demo\n{indent}version: 1.0.0\n{indent}entrypoint: {command}\n")

    assert found.problems == ()
    assert [(one.name, one.command, one.is_default) for one in found.manifest.entrypoints] == [("main", command, True)]


def test_a_list_of_entrypoints_wins_over_the_old_single_one():
    found = project(FLAT + "entrypoint: main.py\n")

    assert [one.command for one in found.manifest.entrypoints] == ["main:run"]


def test_an_only_entrypoint_is_the_default():
    assert report().manifest.entrypoints[0].is_default


def test_the_package_may_lie_in_one_single_folder():
    files = {"demo-1/bvproject.yaml": FLAT, "demo-1/main.py": zips.SOURCE, "demo-1/requirements.lock": "a==1\n"}
    found = report(content=zips.packed(files))

    assert found.problems == ()
    assert found.manifest.root == "demo-1/"
    assert found.entrypoints[0].signature.file == "demo-1/main.py"


def test_the_package_may_not_lie_in_one_of_several_folders():
    files = {"demo/bvproject.yaml": FLAT, "demo/main.py": zips.SOURCE, "other/readme.txt": ""}

    assert places(report(content=zips.packed(files))) == [("missing_file", "bvproject.yaml", None)]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("name: de mo", "name"),
        ("name: démo", "name"),
        ("name: ''", "name"),
        ("name: 12", "name"),
        ("name: [a]", "name"),
        ("name: " + "x" * 101, "name"),
        ("other: 1", "name"),
        ("version: 1.0", "version"),
        ("version: 1", "version"),
        ("version: '1.0'", "version"),
        ("version: 1.0.0-rc1", "version"),
        ("version: 1.0.0+build", "version"),
        ("version: v1.0.0", "version"),
        ("version: 01.0.0", "version"),
        ("version: 1.0.0.0", "version"),
        ("version: '١.٠.٠'", "version"),
        ("version: 1.0.9999999999", "version"),
        ("version: 2026-01-01", "version"),
        ("version:", "version"),
        ("type: bot", "type"),
        ("type: [rpa]", "type"),
        ("entrypoints: []", "entrypoints"),
        ("entrypoints: main:run", "entrypoints"),
        ("entrypoints: {name: main}", "entrypoints"),
        ("entrypoints: [main]", "entrypoints"),
        ("entrypoints: [{name: main}]", "command"),
        ("entrypoints: [{command: 'main:run'}]", "entrypoint_name"),
        ("entrypoints: [{name: '', command: 'main:run'}]", "entrypoint_name"),
        ("entrypoints: [{name: a/b, command: 'main:run'}]", "entrypoint_name"),
        ("entrypoints: [{name: ' a', command: 'main:run'}]", "entrypoint_name"),
        ('entrypoints: [{name: "a\\nb", command: "main:run"}]', "entrypoint_name"),
        ("entrypoints: [{name: main, command: 5}]", "command"),
        ("entrypoints: [{name: main, command: main}]", "command"),
        ("entrypoints: [{name: main, command: 'pkg/main:run'}]", "command"),
        ("entrypoints: [{name: main, command: 'main.py:run'}]", "command"),
        ("entrypoints: [{name: main, command: 'main:'}]", "command"),
        ("entrypoints: [{name: main, command: 'main:a.b'}]", "command"),
        ("entrypoints: [{name: main, command: 'class:run'}]", "command"),
        ("entrypoints: [{name: main, command: '../main.py'}]", "command"),
        ("entrypoints: [{name: main, command: '/main.py'}]", "command"),
        ("entrypoints: [{name: main, command: './main.py'}]", "command"),
        ("entrypoints: [{name: main, command: 'a\\b.py'}]", "command"),
        ("entrypoints: [{name: main, command: '" + "a" * 400 + ":run'}]", "command"),
        ("entrypoints: [{name: main, command: 'main:run', default: 'yes please'}]", "entrypoint_default"),
        ("entrypoints: [{name: main, command: 'main:run', default: 1}]", "entrypoint_default"),
        ("entrypoint: main", "command"),
    ],
)
def test_every_wrong_field_is_refused_in_its_line(line, code):
    field = line.partition(":")[0]
    replaced = "name" if field == "other" else "entrypoints" if field == "entrypoint" else field
    good = {
        "name": "name: demo",
        "version": "version: 1.0.0",
        "entrypoints": 'entrypoints: [{name: m, command: "main:run"}]',
    }
    found = project("\n".join([line, *(text for name, text in good.items() if name != replaced)]))

    assert places(found) == [(code, "bvproject.yaml", 1)]
    assert found.manifest is None or code in {"type", "entrypoint_default"}


def test_every_problem_of_a_manifest_is_told_at_once():
    text = "project:\n  name: de mo\n  version: 1.0\n  type: bot\n  entrypoints:\n    - name: a\n      command: x\n"

    found = project(text)

    assert places(found) == [
        ("name", "bvproject.yaml", 2),
        ("version", "bvproject.yaml", 3),
        ("type", "bvproject.yaml", 4),
        ("command", "bvproject.yaml", 7),
    ]


def test_messages_say_what_would_be_right():
    found = project("name: demo\nversion: 1.0\nentrypoints: [{name: main, command: 'pkg/mod.py:run'}]\n")

    assert [str(problem) for problem in found.problems] == [
        "bvproject.yaml:2:10: version must be text: write it in quotes, as in '1.0.0', not the number or date 1.0.",
        "bvproject.yaml:3:37: Write the module with dots: 'pkg.mod:run', not 'pkg/mod.py:run'.",
    ]


@pytest.mark.parametrize(
    ("defaults", "told"), [((True, True), "'a', 'b'"), ((False, False), "none"), ((None, None), "none")]
)
def test_of_several_entrypoints_exactly_one_is_the_default(defaults, told):
    entries = "\n".join(
        f"  - {{name: {name}, command: 'main:run', default: {str(default).lower() if default is not None else '~'}}}"
        for name, default in zip("ab", defaults, strict=True)
    )
    found = project(f"name: demo\nversion: 1.0.0\nentrypoints:\n{entries}\n")

    assert places(found) == [("entrypoint_default", "bvproject.yaml", 4)]
    assert told in found.problems[0].message


def test_a_project_without_entrypoints_is_refused():
    assert places(project("name: demo\nversion: 1.0.0\n")) == [("entrypoints", "bvproject.yaml", 1)]


@pytest.mark.parametrize(
    ("value", "kind"),
    [("true", "true or false"), ("{a: b}", "a mapping"), ("'x'", "'x'"), ("5", "the number or date 5")],
)
def test_a_message_says_what_was_found_instead(value, kind):
    found = project(f"name: demo\nversion: 1.0.0\nentrypoints: {value}\n")

    assert found.problems[0].message == f"entrypoints must be a list with at least one entry, not {kind}."


def test_nothing_is_called_nothing():
    assert project("project:\n").problems[0].message == "A mapping with name, version, … is expected, not nothing."


def test_two_entrypoints_of_one_name_are_refused():
    entries = "  - {name: a, command: 'main:run', default: true}\n  - {name: a, command: main.py}\n"

    found = project(f"name: demo\nversion: 1.0.0\nentrypoints:\n{entries}")

    assert places(found) == [("entrypoint_name", "bvproject.yaml", 5)]


def test_too_many_entrypoints_are_refused():
    entries = "".join(f"  - {{name: a{number}, command: 'main:run'}}\n" for number in range(101))

    assert places(project(f"name: demo\nversion: 1.0.0\nentrypoints:\n{entries}")) == [
        ("entrypoints", "bvproject.yaml", 4)
    ]


@pytest.mark.parametrize("text", ["- a\n- b\n", "just text", "project: text\n", "project: [a]\n"])
def test_a_project_that_is_no_mapping_is_refused(text):
    assert [problem.code for problem in project(text).problems] == ["bvproject"]


def test_a_missing_project_is_refused():
    found = report(content=zips.packed({"main.py": ""}))

    assert places(found) == [("missing_file", "bvproject.yaml", None)]
    assert found.manifest is None


def test_a_project_that_is_too_big_is_refused():
    found = report({"bvproject.yaml": FLAT + "#" * 3_000}, manifest_bytes=3_000)

    assert places(found) == [("file_too_big", "bvproject.yaml", None)]


@pytest.mark.parametrize(
    ("line", "code", "kept"),
    [
        ("python_version: 3.10", "python_version", "3.10"),
        ("python_version: 3", "python_version", "3"),
        ("python_version: three", "python_version", ""),
        ("python_version: [3]", "python_version", ""),
        ("python_version: '>=3.10,'", "", ">=3.10,"),
        ("python_version: ~", "", ""),
        ("python_version: '>=3.10,<3.13'", "", ">=3.10,<3.13"),
        ("python_version: 3.11.7", "", "3.11.7"),
    ],
)
def test_a_python_version_is_kept_where_it_can_be_told(line, code, kept):
    found = project(FLAT + line + "\n")

    assert found.is_valid
    assert [problem.code for problem in found.warnings] == ([code] if code else [])
    assert found.manifest.python_version == kept


def test_what_is_only_odd_is_a_warning():
    odd = "description: [a]\ndependencies: requests\n"
    found = project(FLAT.replace("default: true", "workdir: src") + odd)

    assert found.is_valid
    assert {problem.code for problem in found.warnings} == {"description", "dependencies", "workdir_unused"}


def test_a_long_description_is_cut():
    found = project(FLAT + f"description: {'x' * 3_000}\n")

    assert len(found.manifest.description) == 2_000
    assert [problem.code for problem in found.warnings] == ["description"]


GEN_1 = {"entryPoints": [{"name": "main", "filePath": "main.py", "function": "run", "type": "agent", "default": True}]}
TOLERATED = {"entryPoints": [{"name": "main", "path": "main.py", "fn": "run"}]}
COMMAND = {"entryPoints": [{"name": "main", "command": "main:run"}]}
RELEASED = {"entrypoints": [{"name": "main", "module": "main", "function": "run"}]}


@pytest.mark.parametrize("dialect", [GEN_1, TOLERATED, COMMAND, RELEASED, RELEASED["entrypoints"]])
def test_every_dialect_of_entry_points_is_understood(dialect):
    assert warnings(report({"entry-points.json": json.dumps(dialect)})) == []


def test_a_path_in_entry_points_is_a_module():
    text = FLAT.replace("main:run", "pkg.mod:run")
    told = {"entryPoints": [{"name": "main", "filePath": "pkg/mod.py", "function": "run"}]}

    found = project(text, **{"pkg/mod.py": zips.SOURCE, "entry-points.json": json.dumps(told)})

    assert (found.problems, warnings(found)) == ((), [])


@pytest.mark.parametrize(
    "told",
    [
        {"entryPoints": [{"name": "main", "filePath": "other.py", "function": "run"}]},
        {"entryPoints": [{"name": "main", "filePath": "main.py", "function": "run", "default": False}]},
        {"entryPoints": [{"filePath": "main.py", "function": "run"}, GEN_1["entryPoints"][0]]},
        {"entryPoints": [GEN_1["entryPoints"][0], {"name": "other"}]},
        {"entryPoints": []},
        {"something": []},
        "text",
    ],
)
def test_entry_points_that_differ_are_a_warning(told):
    found = report({"entry-points.json": json.dumps(told)})

    assert found.is_valid
    assert warnings(found) == ["entry_points"]


@pytest.mark.parametrize("name", ["entry-points.json", "manifest.json"])
def test_a_companion_that_is_no_json_is_refused_with_its_line(name):
    assert places(report({name: '{\n  "a": 1,\n}'})) == [("bad_json", name, 3)]


def test_a_manifest_that_says_something_else_is_a_warning():
    found = report({"manifest.json": '{"name": "other", "version": "1.0.0", "entrypoint": "x", "venv": ".venv"}'})

    assert found.is_valid
    assert [str(problem) for problem in found.warnings] == [
        "manifest.json:1:10: name is 'demo' in bvproject.yaml, but 'other' here."
    ]


def test_a_missing_lock_is_a_warning():
    files = {"bvproject.yaml": zips.PROJECT, "main.py": zips.SOURCE}

    found = report(content=zips.packed(files))

    assert found.is_valid
    assert warnings(found) == ["no_lock"]
    assert found.manifest.lock_sha256 == ""


def test_lines_of_a_lock_that_pin_nothing_are_warnings_with_their_line():
    lock = "# two lines\n# of comment\na==1.0\nb[x,y] == 2 ; python_version > '3'\nc\nd>=1\ne @ https://x/e.whl\n--hash=x\n"

    found = report({"requirements.lock": lock})

    assert found.manifest.lock_sha256 == hashlib.sha256(lock.encode()).hexdigest()
    assert [(problem.code, problem.line) for problem in found.warnings] == [("not_pinned", 5), ("not_pinned", 6)]


def test_many_loose_lines_are_summed_up():
    found = report({"requirements.lock": "loose\n" * 5_000}, entry_ratio=1_000)

    assert len(found.warnings) == 11
    assert "4,990 more" in found.warnings[-1].message


@pytest.mark.parametrize(("lock", "code"), [(b"\xff", "not_utf8"), (b"a\0b==1", "bad_character")])
def test_a_lock_that_is_no_text_is_refused(lock, code):
    assert [problem.code for problem in report({"requirements.lock": lock}).problems] == [code]


@pytest.mark.parametrize("folder", [".venv", "__pycache__", "dist", ".git", "pkg/__pycache__", "a/b/DIST"])
def test_folders_that_tools_make_are_refused_once_each(folder):
    found = report({f"{folder}/one.txt": "", f"{folder}/deep/two.txt": ""})

    assert places(found) == [("forbidden_folder", folder, None)]


@pytest.mark.parametrize("folder", ["distribution", "git", "venv", ".github"])
def test_folders_that_only_look_alike_are_fine(folder):
    assert report({f"{folder}/one.txt": ""}).is_valid


@pytest.mark.parametrize("name", ["a", "A-b_9", "x" * 100])
def test_good_names(name):
    assert name_problem(name) == ""


@pytest.mark.parametrize(
    ("name", "reason"),
    [("", "name is required"), ("a b", "name must match [A-Za-z0-9_-]"), ("a\n", "name must match [A-Za-z0-9_-]")],
)
def test_bad_names_are_refused_in_the_words_that_clients_know(name, reason):
    assert name_problem(name) == reason


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("", "version is required"),
        ("1.0", "version must be SemVer 'X.Y.Z'"),
        ("1.0.0-a", "version must be SemVer 'X.Y.Z'"),
    ],
)
def test_bad_versions_are_refused_in_the_words_that_clients_know(version, reason):
    assert version_problem(version) == reason


def test_versions_are_ordered_by_number():
    assert sorted(["1.10.0", "1.9.0", "0.0.1"], key=version_key) == ["0.0.1", "1.9.0", "1.10.0"]
