"""Sizes, ratios and checksums: what an archive claims is bounded first, and then proved."""

import io
import zipfile
import zlib

import pytest

from apps.packages.rules import archives
from apps.packages.rules.limits import MIB, Limits
from apps.packages.rules.problems import Findings
from tests.packages.rules import zips
from tests.packages.rules.zips import Member, archive, codes, inspected

OTHER = Member(name=b"other.py")


def test_a_file_over_the_limit_is_refused_without_being_looked_into():
    assert codes(archive(Member()), packed_bytes=100) == ["too_big"]


def test_too_many_entries_are_refused():
    content = archive(*(Member(name=b"%d.py" % number) for number in range(11)))

    assert codes(content, entries=10) == ["too_many_entries"]
    assert codes(content, entries=11) == []


def test_100_000_entries_are_refused_by_the_end_record_alone():
    content = b"PK\3\4" + bytes(1000) + zips.end_record(0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)

    assert codes(content) == ["too_many_entries"]


def test_a_directory_that_is_too_long_is_refused_unread():
    content = archive(Member(extra=b"\x00\xff\x00\x10" + bytes(0x1000)))

    assert codes(content, directory_bytes=4096) == ["directory_too_big"]


def test_an_archive_that_unpacks_to_too_much_is_refused():
    content = archive(Member(data=bytes(range(256)) * 8, method=0), Member(name=b"b", data=b"x", method=0))

    assert codes(content, unpacked_bytes=2048) == ["unpacked_too_big"]
    assert codes(content, unpacked_bytes=2049) == []


def test_a_ratio_over_the_limit_is_refused():
    noise = zlib.compress(b"".join(b"%d" % number for number in range(5_000)))
    content = archive(Member(data=bytes(10_000)), Member(name=b"noise", data=noise, method=0))

    assert codes(content, entry_ratio=200) == ["ratio"]
    assert codes(content, entry_ratio=1_000) == []


def test_a_ratio_over_the_limit_for_all_entries_together_is_refused():
    half = b"".join(b"%d" % (number % 7) for number in range(8_000)) * 8
    content = archive(*(Member(name=b"%d" % number, data=half) for number in range(8)))

    assert codes(content, ratio=50) == ["ratio"]


@pytest.mark.parametrize("method", [0, 8])
@pytest.mark.parametrize("claimed", [0, 5, 500])
def test_a_lie_about_the_unpacked_size_is_found_out(method, claimed):
    data = b"".join(b"%d" % number for number in range(100))
    lie = {"size": claimed, "crc": zlib.crc32(data[:claimed])}
    content = archive(Member(data=data, method=method, central=lie, local=lie), OTHER)

    found, names = inspected(content)

    assert found == ["size_lies"]
    assert names == ["other.py"]


def test_a_size_that_is_cut_to_fit_its_checksum_is_found_out_though_python_reads_it():
    data = b"harmless" + b"hidden" * 50
    lie = {"size": 8, "crc": zlib.crc32(b"harmless")}
    content = archive(Member(data=data, central=lie, local=lie))

    assert zipfile.ZipFile(io.BytesIO(content)).read("main.py") == b"harmless"
    assert codes(content) == ["size_lies"]


def test_a_wrong_checksum_is_found_out():
    lie = {"crc": 1}

    assert codes(archive(Member(central=lie, local=lie))) == ["crc"]
    assert codes(archive(Member(method=0, central=lie, local=lie))) == ["crc"]


@pytest.mark.parametrize(
    "packed",
    [
        b"\xff" * 20,
        b"",
        zips.deflated(zips.SOURCE.encode())[:-2],
        zips.deflated(zips.SOURCE.encode()) + b"more",
        zips.deflated(zips.SOURCE.encode()) + zips.deflated(b"second"),
    ],
    ids=["nonsense", "nothing", "cut", "trailing", "second stream"],
)
def test_damaged_data_is_found_out(packed):
    assert set(codes(archive(Member(packed=packed), OTHER))) <= {"damaged", "ratio"}
    assert codes(archive(Member(packed=packed), OTHER)) != []


def test_unpacking_that_costs_too_much_is_given_up():
    found, names = inspected(archive(Member(), OTHER), cpu_seconds=-1)

    assert found == ["too_slow"]
    assert "main.py" not in names


def test_an_archive_inside_is_just_a_file():
    bomb = archive(Member(name=b"../../evil.py", data=bytes(MIB)))

    assert inspected(archive(Member(name=b"inner.zip", data=bomb), OTHER)) == ([], ["inner.zip", "other.py"])


def test_files_are_read_whole_up_to_what_the_reader_takes():
    findings = Findings(10)
    data = bytes(range(256)) * 10_000
    with archives.opened(io.BytesIO(archive(Member(data=data, method=0))), Limits(), findings) as archive_:
        assert archive_.read("main.py", len(data)) == data
        with pytest.raises(archives.TooBig):
            archive_.read("main.py", len(data) - 1)
        with pytest.raises(KeyError):
            archive_.read("nothing.py", 10)


def test_hash_and_sizes_are_those_of_the_file(tmp_path):
    content = zips.package()
    path = tmp_path / "x.bvpackage"
    path.write_bytes(content)
    findings = Findings(10)

    with archives.opened(path, Limits(), findings) as opened:
        facts = (opened.sha256, opened.size, opened.entry_count)

    assert facts == (*archives.digest(io.BytesIO(content), Limits()), 3)
    assert opened.unpacked_size == len(zips.PROJECT) + len(zips.SOURCE)


def test_the_file_that_is_given_open_stays_open():
    file = io.BytesIO(zips.package())

    with archives.opened(file, Limits(), Findings(10)):
        pass

    assert not file.closed
