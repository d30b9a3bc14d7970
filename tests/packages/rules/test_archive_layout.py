"""The bytes of a ZIP file: only the one plain layout that all readers agree about is accepted."""

import io
import struct
import zipfile

import pytest

from tests.packages.rules import zips
from tests.packages.rules.zips import Member, archive, codes, inspected

OTHER = Member(name=b"other.py")


@pytest.mark.parametrize(
    "member",
    [
        Member(),
        Member(method=0),
        Member(data=b""),
        Member(data=b"", method=0),
        Member(has_descriptor=True),
        Member(flags=0x0800, name="grüße.py".encode()),
        Member(flags=0x0006),
        Member(extra=struct.pack("<HHL", 0x5455, 4, 1), local_extra=struct.pack("<HHBL", 0x5455, 5, 1, 1)),
        Member(name=b"folder/", data=b"", method=0, mode=0o040755),
        Member(mode=0),
    ],
    ids=["deflated", "stored", "empty", "stored empty", "descriptor", "utf-8", "level", "times", "folder", "no mode"],
)
def test_what_honest_tools_write_is_accepted(member):
    content = archive(Member(name=b"first.py"), member, OTHER)

    found = codes(content)

    assert found == []
    assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None


def test_a_descriptor_without_a_mark_is_accepted():
    member = Member(has_descriptor=True)
    body = zips.local_header(member) + member.content() + zips.descriptor(member)[4:]
    directory = zips.central_record(member, 0)

    assert codes(body + directory + zips.end_record(1, len(directory), len(body))) == []


def test_a_file_of_unknown_length_written_by_python_is_accepted():
    class Pipe(io.RawIOBase):
        def __init__(self):
            self.written = b""

        def writable(self):
            return True

        def write(self, data):
            self.written += bytes(data)
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("main.py", "x = 1")
        package.mkdir("folder")

    assert codes(pipe.written) == []


@pytest.mark.parametrize("content", [b"", b"PK", b"hello " * 100, b"PK\3\4" + bytes(100)])
def test_what_is_no_archive_is_refused(content):
    assert codes(content) == ["not_a_zip"]


@pytest.mark.parametrize("missing", [1, 10, 21, 22, 40])
def test_an_archive_that_was_cut_off_is_refused(missing):
    assert codes(archive(Member())[:-missing]) == ["not_a_zip"]


def test_bytes_before_the_archive_are_refused():
    content = b"#!/bin/sh\n" + archive(Member())

    assert codes(content) == ["stray_bytes"]
    assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None


def test_bytes_before_the_first_entry_are_refused_even_where_all_offsets_know_of_them():
    assert codes(archive(Member(), prefix=b"GIF89a")) == ["stray_bytes"]


def test_bytes_after_the_archive_are_refused():
    assert codes(archive(Member()) + b"more") == ["trailing_bytes"]


def test_an_archive_comment_is_refused():
    assert codes(archive(Member(), comment=b"a comment")) == ["archive_comment"]


def test_bytes_between_entries_are_refused():
    assert codes(archive(Member(gap=b"hidden"), OTHER)) == ["stray_bytes"]


def test_bytes_between_the_last_entry_and_the_directory_are_refused():
    assert codes(archive(Member(gap=b"hidden"))) == ["stray_bytes"]


def test_bytes_between_the_directory_and_the_end_are_refused():
    assert codes(archive(Member(), before_end=b"hidden")) == ["stray_bytes"]


def test_an_empty_archive_is_refused():
    assert codes(zips.packed({})) == ["empty_archive"]


def test_zip64_records_are_refused():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as package, package.open("main.py", "w", force_zip64=True) as member:
        member.write(b"x = 1")
    locator = b"PK\6\6" + bytes(52) + b"PK\6\7" + bytes(16)

    assert "extra_field" in codes(file.getvalue())
    assert codes(archive(Member(), before_end=locator)) == ["zip64"]
    assert codes(archive(Member(), start=0xFFFFFFFF)) == ["zip64"]


@pytest.mark.parametrize("lie", [{"disk": 1}, {"first_disk": 1}, {"here": 2}])
def test_a_part_of_a_split_archive_is_refused(lie):
    assert codes(archive(Member(), **lie)) == ["many_parts"]


def test_an_entry_on_another_disk_is_refused():
    assert codes(archive(Member(central={"disk": 1}))) == ["many_parts"]


@pytest.mark.parametrize(
    "lie", [{"length": 0}, {"length": 10**6}, {"start": 0}, {"start": 10**6}, {"length": 0xFFFFFFFE, "start": 2}]
)
def test_a_directory_that_is_not_where_it_is_said_to_be_is_refused(lie):
    assert codes(archive(Member(), **lie)) == ["stray_bytes"]


@pytest.mark.parametrize("count", [2, 9_999])
def test_a_directory_with_fewer_entries_than_announced_is_refused(count):
    assert codes(archive(Member(), here=count, count=count)) == ["directory_damaged"]


def test_a_directory_with_more_entries_than_announced_is_refused():
    assert codes(archive(Member(), OTHER, here=1, count=1)) == ["directory_damaged"]


def test_a_directory_that_holds_something_else_is_refused():
    content = archive(Member())
    at = content.rindex(b"PK\1\2")

    assert codes(content[:at] + b"XXXX" + content[at + 4 :]) == ["directory_damaged"]


@pytest.mark.parametrize("offset", [5, 10**6])
def test_an_entry_that_points_to_where_no_file_is_is_refused(offset):
    assert codes(archive(Member(central={"offset": offset}))) == ["header_differs"]


def test_two_entries_on_the_same_bytes_are_refused():
    assert codes(archive(Member(), Member(name=b"main.py", central={"offset": 0}))) == ["overlap"]


def test_an_entry_inside_another_is_refused():
    inner = Member(name=b"in.py", data=b"x = 1")
    carrier = zips.local_header(inner) + inner.content()
    outer = Member(name=b"out.py", data=carrier, method=0)
    offset = 30 + len(outer.name)
    content = zips.local_header(outer) + carrier
    directory = zips.central_record(outer, 0) + zips.central_record(inner, offset)

    assert codes(content + directory + zips.end_record(2, len(directory), len(content))) == ["overlap"]


def test_an_entry_that_reaches_into_the_directory_is_refused():
    member = Member(method=0, central={"packed_size": 100, "size": 100}, local={"packed_size": 100, "size": 100})

    assert codes(archive(member)) == ["overlap"]


@pytest.mark.parametrize(
    "lie",
    [
        {"name": b"mein.py"},
        {"flags": 0x0800},
        {"method": 0},
        {"crc": 1},
        {"packed_size": 3},
        {"size": 3},
    ],
    ids=lambda lie: next(iter(lie)),
)
def test_a_header_that_differs_from_the_directory_is_refused(lie):
    found, names = inspected(archive(Member(local=lie), OTHER))

    assert found == ["header_differs"]
    assert names == ["other.py"]


def test_a_header_whose_name_has_another_length_is_refused():
    assert codes(archive(Member(local={"name": b"evil/main.py"}), OTHER)) == ["header_differs"]


def test_a_descriptor_that_differs_from_the_directory_is_refused():
    content = bytearray(archive(Member(has_descriptor=True)))
    content[content.index(b"PK\7\x08") + 4] ^= 1

    assert codes(bytes(content)) == ["header_differs"]


@pytest.mark.parametrize("flags", [0x0001, 0x0040, 0x2000, 0x2041])
def test_encryption_is_refused(flags):
    assert codes(archive(Member(flags=flags))) == ["encrypted"]


@pytest.mark.parametrize("flags", [0x0010, 0x0020, 0x0080, 0x0400, 0x1000, 0x4000, 0x8000])
def test_unknown_flags_are_refused(flags):
    assert codes(archive(Member(flags=flags))) == ["unknown_feature"]


@pytest.mark.parametrize("version", [21, 45, 63, 90])
def test_an_entry_that_asks_for_a_newer_reader_is_refused(version):
    assert codes(archive(Member(central={"version": version}))) == ["unknown_feature"]


@pytest.mark.parametrize("method", [1, 6, 9, 12, 14, 93, 99])
def test_other_methods_than_store_and_deflate_are_refused(method):
    assert codes(archive(Member(method=method))) == ["unknown_method"]


@pytest.mark.parametrize("kind", [0x0001, 0x000D, 0x0017, 0x7075, 0x756E, 0x9901])
@pytest.mark.parametrize("place", ["extra", "local_extra"])
def test_extra_fields_that_change_what_an_entry_is_are_refused(kind, place):
    assert codes(archive(Member(**{place: struct.pack("<HHL", kind, 4, 0)}))) == ["extra_field"]


@pytest.mark.parametrize("damaged", [b"\x55", b"\x55\x54\x09\x00\x01"])
def test_a_damaged_extra_field_is_refused(damaged):
    assert codes(archive(Member(extra=damaged))) == ["extra_field"]


@pytest.mark.parametrize("mode", [0o020600, 0o060600, 0o010600, 0o140600])
def test_devices_pipes_and_sockets_are_refused(mode):
    assert codes(archive(Member(mode=mode))) == ["special_file"]


def test_links_are_refused():
    assert codes(archive(Member(mode=0o120777, data=b"/etc/passwd"))) == ["link"]
    assert codes(archive(Member(central={"attributes": 0x400}))) == ["link"]


def test_a_volume_label_is_refused():
    assert codes(archive(Member(central={"attributes": 0x08}))) == ["special_file"]


@pytest.mark.parametrize("mode", [0o104755, 0o102755])
def test_files_that_change_their_user_or_group_are_refused(mode):
    assert codes(archive(Member(mode=mode))) == ["special_rights"]


@pytest.mark.parametrize(
    "member",
    [
        Member(mode=0o040755),
        Member(central={"attributes": 0x10}),
        Member(name=b"folder/", data=b"", mode=0o100644),
        Member(name=b"folder/", data=b"content", mode=0),
    ],
)
def test_what_is_half_a_file_and_half_a_folder_is_refused(member):
    assert codes(archive(member)) == ["file_kind"]


def test_the_sound_entries_can_still_be_read_so_that_more_can_be_told():
    found, names = inspected(archive(Member(flags=1), OTHER, Member(name=b"third.py", method=12)))

    assert found == ["encrypted", "unknown_method"]
    assert names == ["other.py"]
