"""What a job may use of its machine: the least that its process, the orchestrator and this machine's operator allow."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MEBIBYTE = 1024 * 1024
NICE_INSTEAD = 5
"""How much a job steps back where its limit of processors cannot be enforced to the fraction."""


@dataclass(frozen=True)
class Limits:
    """What one job may use. None means that nothing is said about it.

    Attributes:
        memory: Bytes, of all its processes together.
        cpu: Processor cores, of all its processes together; 0.5 is half of one.
        nice: How far it steps back behind other programs, from 0 to 19.
    """

    memory: int | None = None
    cpu: float | None = None
    nice: int = 0

    @property
    def processors(self) -> int | None:
        """How many whole processors the cores that are allowed need."""
        return None if self.cpu is None else math.ceil(self.cpu)


def of_job(lease: Mapping[str, Any], *ceilings: Mapping[str, Any]) -> Limits:
    """The limits of a lease's job under the ceilings of others.

    Args:
        lease: As granted; ``limits`` names bytes, cores and niceness.
        ceilings: Each with ``memory_limit`` (MiB) and ``cpu_limit`` (cores); 0 and absent ones are none.
    """
    asked = lease.get("limits") or {}
    memory = [asked.get("memory"), *(_bytes(ceiling.get("memory_limit")) for ceiling in ceilings)]
    cpu = [asked.get("cpu"), *(ceiling.get("cpu_limit") for ceiling in ceilings)]
    least_memory, least_cpu = _least(memory), _least(cpu)
    return Limits(
        memory=None if least_memory is None else int(least_memory),
        cpu=least_cpu,
        nice=max(0, min(19, int(asked.get("nice") or 0))),
    )


def _bytes(mebibytes: float | None) -> float | None:
    return mebibytes * MEBIBYTE if mebibytes else None


def _least(limits: list[Any]) -> float | None:
    return min((float(limit) for limit in limits if limit), default=None)


def readable(size: float) -> str:
    """Bytes in whole MiB, for people who gave the limit in these."""
    return f"{math.ceil(size / MEBIBYTE)} MiB"
