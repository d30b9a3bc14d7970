"""Finding the function of an entrypoint, and what it takes and returns."""

import io

import pytest

from apps.packages.rules import archives
from apps.packages.rules.limits import Limits
from apps.packages.rules.problems import Findings
from apps.packages.rules.signatures import Library
from apps.packages.rules.signatures.sources import Unparsable
from tests.packages.rules import zips
from tests.packages.rules.reports import places, report, signature, warnings
from tests.packages.rules.test_manifests import FLAT

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def test_a_function_becomes_a_schema_of_its_parameters():
    found = signature(
        '''
        def run(name: str, count: int = 3, *, is_loud: bool = False) -> list[str]:
            """Greet somebody.

            As often as you like.

            Args:
                name: Who is greeted.
                count (int): How often,
                    at most.

            Returns:
                list[str]: All the greetings.
            """
        '''
    )

    assert found.input_schema == {
        "$schema": DIALECT,
        "type": "object",
        "description": "Greet somebody.\n\nAs often as you like.",
        "properties": {
            "name": {"type": "string", "title": "Name", "description": "Who is greeted."},
            "count": {"type": "integer", "title": "Count", "description": "How often, at most.", "default": 3},
            "is_loud": {"type": "boolean", "title": "Is loud", "default": False},
        },
        "required": ["name"],
        "additionalProperties": False,
        "x-order": ["name", "count", "is_loud"],
    }
    assert found.output_schema == {
        "$schema": DIALECT,
        "type": "array",
        "items": {"type": "string"},
        "description": "list[str]: All the greetings.",
    }
    assert (found.is_known, found.is_async, found.file, found.line) == (True, False, "main.py", 2)
    assert found.description == "Greet somebody.\n\nAs often as you like."


def test_every_kind_of_parameter_is_told_as_clients_know_it():
    found = signature("def run(a, b: int, /, c=1, d: 'str' = 'x', *rest: int, e: list[int], f={}, **more: float): ...")

    assert found.as_wire() == {
        "parameters": [
            {"name": "a", "annotation": None, "type": "any", "required": True, "default": None, "kind": "positional"},
            {"name": "b", "annotation": "int", "type": "int", "required": True, "default": None, "kind": "positional"},
            {"name": "c", "annotation": None, "type": "any", "required": False, "default": 1, "kind": "positional"},
            {
                "name": "d",
                "annotation": "'str'",
                "type": "string",
                "required": False,
                "default": "x",
                "kind": "positional",
            },
            {
                "name": "rest",
                "annotation": "int",
                "type": "varargs",
                "required": False,
                "default": None,
                "kind": "varargs",
            },
            {
                "name": "e",
                "annotation": "list[int]",
                "type": "list",
                "required": True,
                "default": None,
                "kind": "keyword_only",
            },
            {"name": "f", "annotation": None, "type": "any", "required": False, "default": {}, "kind": "keyword_only"},
            {
                "name": "more",
                "annotation": "float",
                "type": "varkw",
                "required": False,
                "default": None,
                "kind": "varkw",
            },
        ]
    }
    assert [parameter.passing.value for parameter in found.parameters][:2] == ["positional_only", "positional_only"]
    assert found.input_schema["required"] == ["a", "b", "e"]
    assert found.input_schema["additionalProperties"] == {"type": "number"}
    assert found.input_schema["x-order"] == ["a", "b", "c", "d", "e", "f"]


@pytest.mark.parametrize(
    ("annotation", "word"),
    [
        ("int", "int"),
        ("float", "float"),
        ("bool", "bool"),
        ("str", "string"),
        ("list[int]", "list"),
        ("tuple[int, str]", "list"),
        ("dict", "dict"),
        ("int | None", "int"),
        ("int | str", "any"),
        ("None", "any"),
        ("Unknown", "any"),
    ],
)
def test_types_have_one_word_each_for_clients(annotation, word):
    found = signature(f"def run(value: {annotation}): ...")

    assert found.as_wire()["parameters"][0]["type"] == word


def test_choices_of_texts_are_texts_for_clients():
    found = signature("from typing import Literal\ndef run(a: Literal['x', 'y'], b: Literal[1, 2]): ...")

    assert [one["type"] for one in found.as_wire()["parameters"]] == ["string", "any"]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1", 1),
        ("-1.5", -1.5),
        ("'text'", "text"),
        ("True", True),
        ("None", None),
        ("[1, 'a', None]", [1, "a", None]),
        ("(1, 2)", [1, 2]),
        ("{'a': {'b': []}}", {"a": {"b": []}}),
    ],
)
def test_literal_defaults_are_shown(written, value):
    found = signature(f"def run(value={written}): ...").input_schema

    assert found["properties"]["value"] == {"title": "Value", "default": value}
    assert found["required"] == []


@pytest.mark.parametrize(
    "written",
    [
        "make()",
        "LIMIT",
        "1 + 1",
        "b'x'",
        "{1: 2}",
        "{1, 2}",
        "...",
        "1j",
        "1e999",
        "2**70",
        "99999999999999999999",
        "'\\0'",
        "'\\ud800'",
        "['\\0']",
        "lambda: 1",
        "f'{x}'",
        "'x' * 3",
        "'" + "x" * 20_000 + "'",
    ],
)
def test_defaults_that_only_running_code_knows_are_not_shown(written):
    found = report({"main.py": f"def run(value={written}): ..."}, entry_ratio=1_000)

    schema = found.entrypoints[0].signature.input_schema
    assert schema["properties"]["value"] == {"title": "Value", "x-default-hidden": True}
    assert schema["required"] == []


def test_a_parameter_that_is_none_by_default_may_be_null():
    found = signature(
        "from typing import Literal\ndef run(a: int = None, b: int | str = None, c: Literal[1] = None, d=None): ..."
    )

    schema = found.input_schema["properties"]
    assert schema["a"]["anyOf"] == [{"type": "integer"}, {"type": "null"}]
    assert schema["b"]["anyOf"] == [{"type": "integer"}, {"type": "string"}, {"type": "null"}]
    assert schema["c"]["anyOf"] == [{"enum": [1]}, {"type": "null"}]
    assert schema["d"] == {"title": "D", "default": None}


def test_a_field_as_default_says_more_than_a_value():
    found = signature(
        "def run(a: int = Field(3, ge=1, description='words'), b: str = Field(...), c=Field(alias='x')): ..."
    )

    assert found.input_schema["properties"]["a"] == {
        "type": "integer",
        "minimum": 1,
        "description": "words",
        "title": "A",
        "default": 3,
    }
    assert found.input_schema["required"] == ["b", "c"]


@pytest.mark.parametrize("returns", ["", " -> None", " -> dict[str, int]", " -> Unknown"])
def test_what_is_returned_is_told_only_if_it_is_said(returns):
    expected = {
        "": None,
        " -> None": {"$schema": DIALECT, "type": "null"},
        " -> dict[str, int]": {"$schema": DIALECT, "type": "object", "additionalProperties": {"type": "integer"}},
        " -> Unknown": {"$schema": DIALECT},
    }

    assert signature(f"def run(){returns}: ...").output_schema == expected[returns]


def test_an_async_function_is_found():
    found = signature("async def run(a: int): ...")

    assert found.is_async
    assert found.input_schema["required"] == ["a"]


@pytest.mark.parametrize(
    "source",
    [
        "if True:\n    def run(a: int): ...\nelse:\n    def run(b: int): ...",
        "try:\n    import x\nexcept ImportError:\n    x = None\nelse:\n    pass\ndef run(a: int): ...",
        "try:\n    from typing import List\nexcept ImportError:\n    List = None\nfinally:\n    def run(a: int): ...",
        "with x:\n    def run(a: int): ...",
        "def run(b): ...\ndef run(a: int): ...",
        "@decorated(1)\n@another\ndef run(a: int): ...",
        "def main(a: int): ...\nrun = main",
        "from typing import overload\n@overload\ndef run(b: str): ...\ndef run(a: int): ...",
        "match x:\n    case 1:\n        def run(a: int): ...",
        "while x:\n    def run(a: int): ...",
    ],
)
def test_a_function_is_found_wherever_the_module_defines_it(source):
    assert list(signature(source).input_schema["properties"]) == ["a"]


@pytest.mark.parametrize(
    ("main", "files"),
    [
        ("from pkg.mod import run", {"pkg/mod.py": "def run(a: int): ..."}),
        ("from pkg.mod import start as run", {"pkg/mod.py": "def start(a: int): ..."}),
        ("from pkg import run", {"pkg/__init__.py": "from .mod import run", "pkg/mod.py": "def run(a: int): ..."}),
        ("from pkg import *", {"pkg/__init__.py": "from pkg.mod import *", "pkg/mod.py": "def run(a: int): ..."}),
        ("import pkg.mod\nrun = pkg.mod.run", {"pkg/mod.py": "def run(a: int): ..."}),
        ("import pkg.mod as m\nrun = m.run", {"pkg/mod.py": "def run(a: int): ..."}),
        ("from . import mod\nrun = mod.run", {"mod.py": "def run(a: int): ..."}),
        ("try:\n    from fast import run\nexcept ImportError:\n    run = None", {"fast.py": "def run(a: int): ..."}),
    ],
)
def test_a_function_is_followed_to_where_it_is_imported_from(main, files):
    found = signature(main, files)

    assert list(found.input_schema["properties"]) == ["a"]
    assert found.file != "main.py"


@pytest.mark.parametrize(
    "source",
    [
        "from elsewhere import run",
        "import elsewhere\nrun = elsewhere.run",
        "from elsewhere import *",
        "from functools import partial\nrun = partial(print, 1)",
        "run = lambda a: a",
        "run = make()",
        "run = other = make()",
        "from .... import run",
        "from main import run",
    ],
)
def test_a_function_that_cannot_be_followed_takes_anything(source):
    found = report({"main.py": source})

    assert found.is_valid
    assert warnings(found) == ["signature_unknown"]
    assert found.entrypoints[0].signature.input_schema == {"$schema": DIALECT, "type": "object"}
    assert not found.entrypoints[0].signature.is_known


def test_a_missing_function_is_refused_with_the_nearest_names():
    found = report({"main.py": "def runn(): ...\ndef rune(): ...\ndef other(): ..."})

    assert places(found) == [("missing_function", "main.py", None)]
    assert found.problems[0].message == (
        "Entrypoint 'main': There is no function 'run' in this module. Did you mean 'runn' or 'rune'?"
    )


def test_functions_inside_functions_and_classes_do_not_count():
    found = report({"main.py": "def outer():\n    def run(): ...\nclass A:\n    def run(self): ..."})

    assert places(found) == [("missing_function", "main.py", None)]


@pytest.mark.parametrize(
    ("source", "line"), [("\nclass run: ...", 2), ("import pkg as run", None), ("from shapes import run", 1)]
)
def test_what_is_no_function_is_refused(source, line):
    found = report({"main.py": source, "pkg.py": "", "shapes.py": "class run: ..."})

    assert [problem.code for problem in found.problems] == ["not_a_function"]
    assert found.problems[0].line == line


def test_a_missing_module_is_refused_in_the_line_of_its_entrypoint():
    found = report({"bvproject.yaml": FLAT.replace("main:run", "mian:run")})

    assert places(found) == [("missing_module", "bvproject.yaml", 4)]
    assert "neither mian.py nor mian/__init__.py. Did you mean 'main'?" in found.problems[0].message


def test_a_module_that_is_not_there_cannot_be_loaded():
    with archives.opened(io.BytesIO(zips.package()), Limits(), Findings(10)) as archive:
        library = Library(archive, "", Limits())

        with pytest.raises(Unparsable) as refusal:
            library.load("nothing")

    assert refusal.value.code == "missing_module"


def test_a_missing_script_is_refused_in_the_line_of_its_entrypoint():
    found = report({"bvproject.yaml": FLAT.replace("main:run", "jobs/x.py")})

    assert places(found) == [("missing_script", "bvproject.yaml", 4)]


def test_a_script_takes_anything():
    found = report({"bvproject.yaml": FLAT.replace("main:run", "main.py"), "main.py": "print(1)"})

    assert found.is_valid
    assert found.entrypoints[0].signature.input_schema == {"$schema": DIALECT, "type": "object"}
    assert found.entrypoints[0].signature.as_wire() == {"parameters": []}


def test_a_package_folder_can_be_an_entrypoint():
    files = {"bvproject.yaml": FLAT.replace("main:run", "pkg:run"), "pkg/__init__.py": "def run(a): ..."}

    assert report(files).is_valid


def test_too_many_parameters_are_refused():
    parameters = ", ".join(f"p{number}" for number in range(201))

    assert places(report({"main.py": f"def run({parameters}): ..."})) == [("too_many_parameters", "main.py", 1)]


BROKEN = [
    ("def run(:\n", "syntax_error", 1),
    ("def run(): ...\n\nx = = 1\n", "syntax_error", 3),
    ("def run(): ...\n  x = 1\n", "syntax_error", 2),
    ("x = '''\n", "syntax_error", 1),
    ("x = 1\n\0", "bad_character", 2),
    (b"def run(): ...\n# \xff\n", "not_utf8", 2),
    ("# coding: utf-7\ndef run(): ...", "not_utf8", 1),
    ("# coding: nonsense\ndef run(): ...", "not_utf8", 1),
    ("x = " + "-" * 40_000 + "1", "too_complex", None),
    ("x = " + "(" * 300 + ")" * 300, "syntax_error", 1),
    ("x = a" + ".b" * 20_000, "too_complex", None),
    ("x = " + "9" * 5_000, "syntax_error", 1),
]


@pytest.mark.parametrize(("source", "code", "line"), BROKEN)
@pytest.mark.parametrize("place", ["entrypoint", "script", "import"])
def test_source_that_cannot_be_parsed_is_refused_with_its_line(source, code, line, place):
    files = {
        "entrypoint": {"main.py": source},
        "script": {"bvproject.yaml": FLAT.replace("main:run", "main.py"), "main.py": source},
        "import": {"main.py": "from broken import run", "broken.py": source},
    }[place]

    found = report(files, entry_ratio=1_000, ratio=1_000)

    assert places(found) == [(code, "broken.py" if place == "import" else "main.py", line)]


def test_a_broken_module_that_is_only_asked_for_types_is_told_too():
    found = report({"main.py": "from broken import Box\ndef run(box: Box): ...", "broken.py": "class ("})

    assert places(found) == [("syntax_error", "broken.py", 1)]


@pytest.mark.parametrize("version", ["3.99", ">=3.99", "==3.99.*"])
def test_syntax_of_a_newer_python_is_only_a_warning(version):
    project = FLAT + f"python_version: '{version}'\n"

    found = report({"bvproject.yaml": project, "main.py": "new syntax here\ndef run(): ..."})

    assert found.is_valid
    assert warnings(found) == ["newer_python"]


@pytest.mark.parametrize("version", ["3.8", ">=3.10", "3"])
def test_syntax_of_a_python_that_is_known_is_an_error(version):
    project = FLAT + f"python_version: '{version}'\n"

    assert places(report({"bvproject.yaml": project, "main.py": "no ("})) == [("syntax_error", "main.py", 1)]


@pytest.mark.parametrize("source", ["# coding: latin-1\ndef run(a='\xe9'): ...", "\ufeffdef run(a='é'): ..."])
def test_other_common_encodings_are_read(source):
    raw = source.encode("latin-1" if "latin" in source else "utf-8")

    found = report({"main.py": raw})

    assert found.entrypoints[0].signature.input_schema["properties"]["a"]["default"] == "é"


def test_what_is_odd_in_a_stranger_s_source_does_not_warn_us():
    assert report({"main.py": "def run(pattern: '\\d' = '\\d', other='\\w'): ...\nx = 1 is 1"}).is_valid


@pytest.mark.parametrize("limit", [{"source_bytes": 100}, {"source_tokens": 20}, {"all_source_bytes": 100}])
def test_source_that_is_too_big_is_refused(limit):
    found = report({"main.py": zips.SOURCE + "x = [1, 2, 3]\n" * 10}, **limit)

    assert places(found) == [("source_too_big", "main.py", None)]


def test_a_path_in_the_root_folder_is_found():
    files = {
        "demo/bvproject.yaml": FLAT,
        "demo/main.py": "from pkg.mod import run",
        "demo/pkg/mod.py": "def run(a): ...",
    }

    found = report(content=zips.packed(files))

    assert found.problems == ()
    assert found.entrypoints[0].signature.file == "demo/pkg/mod.py"
