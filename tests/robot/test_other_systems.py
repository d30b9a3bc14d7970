"""What is written for Windows and macOS, as far as it means something everywhere."""

import ctypes
import os
import subprocess
import sys
import time

import psutil
import pytest
from bv_robot import macos, platforms, windows


@pytest.mark.parametrize(
    ("structure", "size"),
    [(windows.BasicLimits, 64), (windows.Counters, 48), (windows.ExtendedLimits, 144)],
)
def test_the_structures_of_a_job_object_have_the_sizes_of_64_bit_windows(structure, size):
    assert ctypes.sizeof(structure) == size


def test_the_limits_of_a_job_object_lie_where_windows_looks_for_them():
    limits = windows.limits_that_end_with_their_owner()

    flags = windows.BasicLimits.LimitFlags.offset
    assert flags == 16
    assert bytes(limits)[flags : flags + 4] == (0x2000).to_bytes(4, "little")
    assert (windows.ExtendedLimits.IoInfo.offset, windows.ExtendedLimits.JobMemoryLimit.offset) == (64, 120)


def test_the_id_of_a_mac_is_found_in_what_ioreg_says():
    said = '+-o J314  <class Expert>\n  {\n    "IOPlatformUUID" = "0F0E0D0C-1234-5678-9ABC-DEF012345678"\n  }'

    assert macos.platform_uuid_in(said) == "0F0E0D0C-1234-5678-9ABC-DEF012345678"
    assert macos.platform_uuid_in("no such thing") == ""


def test_a_lock_does_not_move_the_place_in_its_file(tmp_path):
    descriptor = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    os.write(descriptor, b"12")

    assert platforms.try_lock(descriptor)

    assert os.lseek(descriptor, 0, os.SEEK_CUR) == 2
    os.close(descriptor)


def test_replacing_a_file_that_cannot_be_replaced_fails_at_once_where_asking_again_is_no_use(tmp_path):
    source = tmp_path / "source"
    source.touch()

    with pytest.raises(OSError, match="target"):
        platforms.replace(source, tmp_path / "missing" / "target")


def test_the_tree_of_a_process_names_it_last():
    parent = subprocess.Popen(
        [sys.executable, "-c", "import subprocess,sys;print(flush=True);subprocess.run(['sleep', '60'])"],
        stdout=subprocess.PIPE,
    )
    try:
        parent.stdout.readline()
        while not psutil.Process(parent.pid).children():
            time.sleep(0.01)
        tree = platforms.tree_of(parent.pid)
        assert [process.pid for process in tree][-1] == parent.pid
        assert len(tree) == 2
    finally:
        platforms.kill(platforms.tree_of(parent.pid))
        parent.wait()
        parent.stdout.close()
    assert platforms.tree_of(parent.pid) == []
