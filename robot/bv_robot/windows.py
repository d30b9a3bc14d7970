"""What Windows alone has: its registry, and job objects, which hold a tree of processes together and end it.

Nothing here is called on other systems; the layouts of the structures are the same everywhere, and tested.
"""

from __future__ import annotations

import ctypes
import sys
from ctypes import wintypes

BOOT_COUNTER = r"SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management\PrefetchParameters"
CRYPTOGRAPHY = r"SOFTWARE\Microsoft\Cryptography"
EXTENDED_LIMIT_INFORMATION = 9
KILL_ON_JOB_CLOSE = 0x2000


class BasicLimits(ctypes.Structure):
    """``JOBOBJECT_BASIC_LIMIT_INFORMATION``."""

    _fields_ = (
        ("PerProcessUserTimeLimit", ctypes.c_int64),
        ("PerJobUserTimeLimit", ctypes.c_int64),
        ("LimitFlags", ctypes.c_uint32),
        ("MinimumWorkingSetSize", ctypes.c_size_t),
        ("MaximumWorkingSetSize", ctypes.c_size_t),
        ("ActiveProcessLimit", ctypes.c_uint32),
        ("Affinity", ctypes.c_size_t),
        ("PriorityClass", ctypes.c_uint32),
        ("SchedulingClass", ctypes.c_uint32),
    )


class Counters(ctypes.Structure):
    """``IO_COUNTERS``."""

    _fields_ = tuple(
        (name, ctypes.c_uint64)
        for name in ("ReadOperations", "WriteOperations", "OtherOperations", "ReadBytes", "WriteBytes", "OtherBytes")
    )


class ExtendedLimits(ctypes.Structure):
    """``JOBOBJECT_EXTENDED_LIMIT_INFORMATION``."""

    _fields_ = (
        ("BasicLimitInformation", BasicLimits),
        ("IoInfo", Counters),
        ("ProcessMemoryLimit", ctypes.c_size_t),
        ("JobMemoryLimit", ctypes.c_size_t),
        ("PeakProcessMemoryUsed", ctypes.c_size_t),
        ("PeakJobMemoryUsed", ctypes.c_size_t),
    )


def limits_that_end_with_their_owner() -> ExtendedLimits:
    """Limits by which every process of a job object ends once the last handle to it is closed, however that happens."""
    limits = ExtendedLimits()
    limits.BasicLimitInformation.LimitFlags = KILL_ON_JOB_CLOSE
    return limits


def contain_this_process() -> None:
    """Put this process, and with it each that it starts, into a job object that ends when this process does.

    The handle is left open on purpose: Windows closes it at the end of the process, and with it ends the others.

    Raises:
        OSError: when Windows does not want that.
    """
    if sys.platform == "win32":
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.CreateJobObjectW.restype = wintypes.HANDLE
        kernel.GetCurrentProcess.restype = wintypes.HANDLE
        kernel.SetInformationJobObject.argtypes = (wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD)
        kernel.AssignProcessToJobObject.argtypes = (wintypes.HANDLE, wintypes.HANDLE)
        limits = limits_that_end_with_their_owner()
        job = kernel.CreateJobObjectW(None, None)
        is_done = (
            job
            and kernel.SetInformationJobObject(
                job, EXTENDED_LIMIT_INFORMATION, ctypes.byref(limits), ctypes.sizeof(limits)
            )
            and kernel.AssignProcessToJobObject(job, kernel.GetCurrentProcess())
        )
        if not is_done:
            raise ctypes.WinError(ctypes.get_last_error())


def registered(key: str, name: str) -> str:
    """A value below the machine's key of the registry.

    Raises:
        OSError: when there is none.
    """
    if sys.platform == "win32":
        import winreg

        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key) as opened:
            return str(winreg.QueryValueEx(opened, name)[0])
    else:
        raise OSError("no registry")
