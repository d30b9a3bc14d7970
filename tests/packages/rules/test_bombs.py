"""What is made to hurt is refused or read without harm: in a process of its own, below 200 MiB."""

import subprocess
import sys
from pathlib import Path

import pytest

from apps.packages.rules.limits import MIB
from tests.packages.rules import bombs
from tests.packages.rules.reports import places, report

ROOT = Path(__file__).parents[3]
MOST_MEMORY = 200 * MIB
# The peak of this program alone: what `getrusage` tells includes the process it was started from.
PROGRAM = """
import sys
from apps.packages.rules import validation
found = validation.validate(sys.argv[1])
with open("/proc/self/status") as status:
    peak = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
print(peak, *sorted({problem.code for problem in found.problems}))
"""


def validated(path: Path) -> tuple[int, set[str]]:
    """Validate a file in a process of its own; return its peak of memory in bytes, and the codes of the problems."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path)], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    peak, *codes = done.stdout.split()
    return int(peak), set(codes)


@pytest.mark.parametrize("name", bombs.BOMBS)
def test_a_bomb_is_defused_with_little_memory(name, tmp_path):
    path = tmp_path / "bomb.bvpackage"
    expected = bombs.write(name, path)

    peak, codes = validated(path)

    assert peak < MOST_MEMORY
    assert bool(codes) == bool(expected)
    assert codes <= set(expected)


def test_a_big_package_that_is_in_order_is_read_with_little_memory(tmp_path):
    path = tmp_path / "big.bvpackage"
    path.write_bytes(bombs.big_and_legal())

    peak, codes = validated(path)

    assert codes <= {"too_slow"}  # on a machine so slow that a limit of its own is right
    assert peak < MOST_MEMORY


def test_data_that_is_slow_to_unpack_is_given_up():
    found = report(content=bombs.slow_bomb(4), cpu_seconds=0.01)

    assert places(found) == [("too_slow", "slow", None)]
    assert found.manifest is not None
