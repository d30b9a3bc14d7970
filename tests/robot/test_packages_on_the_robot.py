"""What the robot demands of a package before it runs anything of it."""

import io
import stat
import zipfile

import pytest
from bv_robot.packages import archives
from bv_robot.packages.archives import UnsafeArchive

from tests.robot.packages import MANIFEST, package, zipped


def test_a_package_with_another_hash_is_not_run(server, start_robot, home):
    told = server.add_package(package("def main(): return 'expected'"))
    server.packages[told["id"]] = package("def main(): return 'smuggled'")
    job = server.add_job(told)

    start_robot()

    server.wait_for_end(job)
    assert job.report["error"]["code"] == "package_error"
    assert f"not {told['sha256']}" in job.report["error"]["message"]
    assert not list((home / "packages").glob("*.bvpackage"))
    assert server.calls("start") == []


def test_a_package_is_downloaded_once_and_verified_each_time(server, start_robot, home):
    told = server.add_package(package("def main(): return 1"))
    start_robot()
    for _ in range(2):
        server.wait_for_end(server.add_job(told))
    (cached,) = (home / "packages").glob("*.bvpackage")
    before = len(server.calls("download"))

    cached.write_bytes(b"rotten")
    job = server.wait_for_end(server.add_job(told))

    assert before == 1
    assert len(server.calls("download")) == 2
    assert job.status == "completed"


def test_a_package_the_server_does_not_give_fails_the_job(server, start_robot):
    told = server.add_package(package(""))
    server.packages.clear()
    job = server.add_job(told)

    start_robot()

    server.wait_for_end(job)
    assert job.report["error"]["code"] == "package_error"
    assert "cannot be downloaded" in job.report["error"]["message"]


def test_a_package_that_is_no_archive_fails_the_job(server, start_robot):
    job = server.add_job(server.add_package(b"not a zip"))

    start_robot()

    server.wait_for_end(job)
    assert job.report["error"]["type"] == "UnsafeArchive"


def test_a_project_in_the_one_folder_of_its_package_is_found(server, start_robot):
    content = zipped({"invoices/bvproject.yaml": MANIFEST, "invoices/main.py": "def main(): return __file__"})
    job = server.add_job(server.add_package(content))

    start_robot()

    server.wait_for_end(job)
    assert job.report["result"].endswith("/invoices/main.py")


# Archives


@pytest.mark.parametrize(
    "name",
    [
        "../outside.py", "a/../../outside.py", "/etc/outside", "C:/outside", "a\\..\\outside", "a//b", "./a",
        "line\nbreak",
    ],
)  # fmt: skip
def test_a_name_that_leads_outside_is_refused_before_anything_is_written(tmp_path, name):
    archive, target = tmp_path / "a.zip", tmp_path / "target"
    target.mkdir()
    archive.write_bytes(zipped({"fine.py": "", name: ""}))

    with pytest.raises(UnsafeArchive):
        archives.extract(archive, target)

    assert list(target.iterdir()) == []


def test_a_name_that_hides_its_end_behind_nul_is_refused(tmp_path):
    (tmp_path / "a.zip").write_bytes(zipped({"mainX.py": ""}).replace(b"mainX.py", b"main\0.py"))

    with pytest.raises(UnsafeArchive, match="not portable"):
        archives.extract(tmp_path / "a.zip", tmp_path / "target")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO], ids=["link", "device", "pipe"])
def test_a_link_or_device_is_refused(tmp_path, kind):
    entry = zipfile.ZipInfo("link")
    entry.create_system, entry.external_attr = 3, (kind | 0o777) << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr(entry, "/etc/passwd")
    (tmp_path / "a.zip").write_bytes(buffer.getvalue())

    with pytest.raises(UnsafeArchive, match="link or device"):
        archives.extract(tmp_path / "a.zip", tmp_path / "target")


@pytest.mark.parametrize(("first", "second"), [("A.py", "a.py"), ("é.py", "e\u0301.py"), ("a", "a/")])
def test_names_that_would_overwrite_one_another_are_refused(tmp_path, first, second):
    (tmp_path / "a.zip").write_bytes(zipped({first: "1", second: ""}))

    with pytest.raises(UnsafeArchive, match="twice"):
        archives.extract(tmp_path / "a.zip", tmp_path / "target")


def test_an_archive_that_grows_beyond_the_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MOST_BYTES", 1000)
    (tmp_path / "a.zip").write_bytes(zipped({"a": "x" * 600, "b": "x" * 600}))

    with pytest.raises(UnsafeArchive, match="more than 1000 bytes"):
        archives.extract(tmp_path / "a.zip", tmp_path / "target")


def test_an_archive_with_too_many_entries_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MOST_ENTRIES", 2)
    (tmp_path / "a.zip").write_bytes(zipped({"a": "", "b": "", "c": ""}))

    with pytest.raises(UnsafeArchive, match="3 entries"):
        archives.extract(tmp_path / "a.zip", tmp_path / "target")


def test_a_damaged_archive_is_refused(tmp_path):
    content = bytearray(package("def main(): pass"))
    content[60] ^= 0xFF
    (tmp_path / "a.zip").write_bytes(content)

    with pytest.raises(UnsafeArchive, match="cannot be unpacked"):
        archives.extract(tmp_path / "a.zip", tmp_path / "target")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_whatever_is_damaged_in_an_archive_is_refused_as_damage(tmp_path, method):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as made:
        made.writestr("main.py", "print(1)\n" * 50)
    whole = buffer.getvalue()

    found = {outcome(tmp_path / str(place), whole, place) for place in range(len(whole))}

    assert found <= {"unpacked", "refused"}
    assert "refused" in found


def outcome(directory, whole, place):
    damaged = bytearray(whole)
    damaged[place] ^= 0xFF
    directory.mkdir()
    (directory / "a.zip").write_bytes(damaged)
    try:
        archives.extract(directory / "a.zip", directory / "target")
    except UnsafeArchive:
        return "refused"
    return "unpacked"


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path):
    (tmp_path / "a.zip").write_bytes(zipped({"a": "file", "a/b": "inside"}))

    with pytest.raises(UnsafeArchive):
        archives.extract(tmp_path / "a.zip", tmp_path / "target")
