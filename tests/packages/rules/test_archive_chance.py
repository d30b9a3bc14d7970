"""Whatever bytes arrive, the answer is an archive or a refusal; and what is accepted, Python reads alike."""

import io
import zipfile

from hypothesis import given, settings
from hypothesis import strategies as st

from apps.packages.rules import archives
from apps.packages.rules.limits import Limits
from apps.packages.rules.problems import Findings
from tests.packages.rules import zips
from tests.packages.rules.zips import Member, archive, codes

PACKAGE = zips.package({"pkg/mod.py": "x = 1\n" * 50, "data/table.csv": "a,b\n1,2\n"})
DESCRIBED = archive(Member(has_descriptor=True), Member(name=b"other.py", method=0))


@given(st.binary(max_size=400))
def test_random_bytes_are_refused(content):
    assert codes(content)


@given(st.binary(max_size=200))
def test_random_bytes_that_end_like_an_archive_are_refused(content):
    assert codes(content + zips.end_record(1, min(46, len(content)), max(0, len(content) - 46)))


@settings(max_examples=500)
@given(
    st.sampled_from([PACKAGE, DESCRIBED]),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_an_archive_with_changed_bytes_is_refused_or_reads_the_same_everywhere(original, changes):
    content = bytearray(original)
    for at, value in changes:
        content[at % len(content)] = value

    found = read_by_us(bytes(content))

    assert not found or found == read_by_python(bytes(content))


@given(st.sampled_from([PACKAGE, DESCRIBED]), st.data())
def test_a_piece_of_an_archive_is_refused(original, data):
    start = data.draw(st.integers(0, len(original) - 1))
    end = data.draw(st.integers(start, len(original) - 1))

    assert codes(original[start:end])


# No device of Windows, such as "aux", has a name that ends in a z.
safe_name = st.from_regex(r"[a-z][a-z0-9_]{0,6}z(/[a-z][a-z0-9_]{0,6}z){0,3}", fullmatch=True)
safe_names = st.lists(safe_name, min_size=1, max_size=8, unique=True).filter(
    lambda names: not any(a != b and b.startswith(f"{a}/") for a in names for b in names)
)


@given(safe_names, st.lists(st.binary(max_size=300), min_size=8, max_size=8), st.sampled_from([0, 8]))
def test_what_python_packs_is_read_back_byte_by_byte(names, contents, method):
    files = dict(zip(names, contents, strict=False))

    assert read_by_us(zips.packed(files, method)) == files


def read_by_us(content: bytes) -> dict[str, bytes]:
    """Return all files of an archive, or nothing where anything at all is wrong with it."""
    findings = Findings(10)
    limits = Limits(entry_ratio=2_000, ratio=2_000)
    with archives.opened(io.BytesIO(content), limits, findings) as opened:
        return {} if findings.errors else {name: opened.read(name, 10**6) for name in opened.names}


def read_by_python(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        return {one.filename: package.read(one) for one in package.infolist() if not one.is_dir()}
