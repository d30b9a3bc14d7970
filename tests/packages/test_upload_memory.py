"""A package streams to disk and from it: the size of one is not the size of the process that takes it."""

from __future__ import annotations

import hashlib
import os
import zipfile
from pathlib import Path

import httpx
import psutil
import pytest

from tests import make, roles

MIB = 2**20
BIG = 90 * MIB
#: Far below the size of the package; what Python itself takes for a few more requests lies in it.
SLACK = 40 * MIB


@pytest.fixture
def package(tmp_path):
    """A valid package of ninety megabytes that cannot be packed any smaller."""
    path = tmp_path / "big.bvpackage"
    with zipfile.ZipFile(make.package_file("big", "1.0.0")) as small, zipfile.ZipFile(path, "w") as big:
        for name in small.namelist():
            big.writestr(name, small.read(name))
        with big.open("data.bin", "w") as data:
            for _ in range(BIG // MIB):
                data.write(os.urandom(MIB))
    return path


def most_memory_of(process):
    """The most memory any process of a role has had at once, in bytes."""
    everyone = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    return max(_high_water_mark(one.pid) for one in everyone)


def _high_water_mark(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (kibibytes,) = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
    return kibibytes * 1024


def download(client, version):
    digest = hashlib.sha256()
    with client.stream("GET", f"/package-versions/{version}/download") as answer:
        for chunk in answer.iter_bytes():
            digest.update(chunk)
    return digest.hexdigest()


@pytest.mark.django_db(transaction=True)
def test_neither_an_upload_nor_a_download_is_ever_whole_in_memory(package, tmp_path):
    key = make.api_key(make.user(superuser=True), make.tenant())
    with (
        roles.running("web", health="/health/live", log=tmp_path / "log", FILES_DIR=str(tmp_path)) as (url, web),
        httpx.Client(base_url=f"{url}/api/v1", headers={"Authorization": f"Bearer {key}"}, timeout=120) as client,
    ):
        client.get("/me").raise_for_status()
        before = most_memory_of(web)

        with package.open("rb") as file:
            made = client.post("/packages/upload", files={"file": (package.name, file)})
        fetched = download(client, made.json()["id"])
        after = most_memory_of(web)

    assert made.status_code == 201, made.text
    assert fetched == made.json()["sha256"] == hashlib.sha256(package.read_bytes()).hexdigest()
    assert after - before < SLACK
