"""Names of files: one name is one and the same file everywhere."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.packages.rules.archives import names
from apps.packages.rules.limits import Limits
from tests.packages.rules.zips import Member, archive, codes, inspected

LIMITS = Limits()


def utf8(name: str) -> Member:
    return Member(name=name.encode("utf-8", "surrogatepass"), flags=0x0800)


@pytest.mark.parametrize(
    "name",
    [
        "main.py",
        "pkg/sub_module/mod-1.py",
        "data/Überweisung 2026.csv",
        "データ/入力.csv",
        "a/b/.env.example",
        "with (brackets) & more, [like] {this} + 'that'.txt",
        "constant.py",
        "lib/aux_.py",
        "x" * 200,
    ],
)
def test_safe_names_are_accepted(name):
    assert inspected(archive(utf8(name))) == ([], [name])


@pytest.mark.parametrize(
    "name",
    [
        "../evil.py",
        "a/../../evil.py",
        "a/..",
        "./main.py",
        "a/./b",
        "a//b",
        "/etc/passwd",
        "//server/share",
        "C:/Windows/x",
        "c:evil.py",
        "a\\b.py",
        "..\\evil.py",
        "main.py\0.txt",
        "\0",
        "",
        "/",
        "a\nb",
        "a\x1b[31m",
        "a\x7f",
        "a\x85b",
        "file.",
        "file ",
        "folder./x",
        "folder /x",
        "CON",
        "con.txt",
        "pkg/NUL.py",
        "aux/x.py",
        "Com1.log",
        "lpt9",
        "COM¹.txt",
        "conin$",
        "nul .txt",
        "a<b",
        "a>b",
        'a"b',
        "a|b",
        "a?b",
        "a*b",
        "a:b",
        "a;b",
        "\u202egpj.exe",
        "a\u200bb",
        "a\u2066b",
        "a\ufeffb",
        "a\u00a0b",
        "a\u2028b",
        "a\u3164b",
        "a\ufe0fb",
        "a\u034fb",
        "cafe\u0301.py",
        "\ue000",
        "x" * 201,
        "é" * 101,
        "/".join("a" * 21),
    ],
)
def test_unsafe_names_are_refused(name):
    found, readable = inspected(archive(utf8(name), Member(name=b"ok.py")))

    assert found == ["unsafe_name"]
    assert readable == ["ok.py"]


def test_a_name_that_is_not_utf8_is_refused():
    assert codes(archive(Member(name=b"\xff\xfe.py", flags=0x0800))) == ["unsafe_name"]
    assert codes(archive(utf8("a\ud800"))) == ["unsafe_name"]


def test_a_name_beyond_ascii_that_does_not_say_its_encoding_is_refused():
    assert codes(archive(Member(name="ü.py".encode()))) == ["unsafe_name"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("main.py", "main.py"),
        ("main.py", "MAIN.PY"),
        ("straße.py", "STRASSE.PY"),
        ("pkg/a.py", "PKG/b.py"),
        ("ǆ.py", "Ǆ.py"),
        ("İ.py", "i̇.py"),
    ],
)
def test_names_that_are_one_on_some_file_system_are_refused(first, second):
    assert codes(archive(utf8(first), utf8(second))) == ["duplicate_name"]


def test_a_folder_that_is_listed_twice_is_refused():
    folder = Member(name=b"folder/", data=b"", mode=0o040755)

    assert codes(archive(folder, folder, Member())) == ["duplicate_name"]


@pytest.mark.parametrize(
    ("first", "second"), [("pkg", "pkg/mod.py"), ("pkg/mod.py", "pkg"), ("Pkg", "pkg/mod.py"), ("a/b/c", "a/b")]
)
def test_a_name_that_is_both_file_and_folder_is_refused(first, second):
    assert "name_clash" in codes(archive(utf8(first), utf8(second)))


def test_a_folder_that_is_listed_beside_its_files_is_fine():
    folder = Member(name=b"pkg/", data=b"", mode=0o040755)

    assert codes(archive(Member(name=b"pkg/a.py"), folder, Member(name=b"pkg/b.py"))) == []


segments = st.text(
    alphabet=st.characters(exclude_categories=["S", "Cs"]),
    min_size=1,
    max_size=12,
)


@given(st.lists(segments, min_size=1, max_size=4).map("/".join))
def test_an_accepted_name_is_the_same_for_every_reader(name):
    wrong = names.problem(name, LIMITS)

    is_plain = (
        name == unicodedata.normalize("NFC", name)
        and name.isprintable()
        and not set(name) & set('\\:*?"<>|;\0')
        and all(part not in {"", ".", ".."} and part[-1] not in ". " for part in name.split("/"))
    )
    assert wrong or is_plain


@given(st.text(max_size=30), st.text(max_size=30))
def test_names_that_differ_only_in_case_or_composition_fold_to_one(first, second):
    def same(text: str) -> str:
        return unicodedata.normalize("NFD", unicodedata.normalize("NFD", text).casefold())

    assert (names.folded(first) == names.folded(second)) == (same(first) == same(second))
