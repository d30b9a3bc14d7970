"""Holding one job to its limits: by a control group where there is one, else by watching it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bv_robot import deaths, limits, platforms
from bv_robot.cgroups import JobGroup
from bv_robot.limits import MEBIBYTE, NICE_INSTEAD, Limits

SAMPLE_EVERY = 5.0
WATCH_EVERY = 1.0
"""Seconds between two looks at the memory of a job where the kernel does not watch its limit."""
BURST, BURST_ROOM = 4, 1024 * MEBIBYTE
"""One process may not ask for more private memory than so many times the limit, and this: what grows faster than
anybody can watch is refused its memory instead of taking the machine's. The address space as a whole is not limited,
because browsers, Java and Node reserve far more of it than they use."""


@dataclass(frozen=True)
class Sample:
    """What a job has used until now, and uses now."""

    cpu_seconds: float
    memory: int


class Confinement:
    """The limits of one job and how they are kept.

    Args:
        bounds: What it may use.
        mark: The mark of its processes.
        group: Its control group where the robot has such; it is made here.
        keeps_cores: Whether its processes may leave core files.
        say: Told, for the job's log, what is enforced in another way than one would think.
        counters: Where the kernel counts what it ended for want of memory.
    """

    def __init__(
        self,
        bounds: Limits,
        mark: str,
        *,
        group: Path | None,
        keeps_cores: bool,
        say: Callable[[str, str], None],
        counters: Path = deaths.KERNEL_COUNTERS,
    ) -> None:
        self._bounds, self._mark, self._keeps_cores, self._say = bounds, mark, keeps_cores, say
        self._group = self._made(JobGroup(group)) if group else None
        self._counters, self._kills_before = counters, deaths.kills_for_memory(counters)
        self.max_memory = 0
        self.cpu_seconds = 0.0
        if bounds.cpu is not None and self._group is None:
            self._tell_of_processors(bounds.cpu)

    def _made(self, group: JobGroup) -> JobGroup | None:
        try:
            group.make(self._bounds)
        except OSError as error:
            self._say(f"The job's control group could not be made, so its limits are watched instead: {error}", "WARN")
            group.remove()
            return None
        return group

    def _tell_of_processors(self, cores: float) -> None:
        self._say(
            f"Without control groups a limit of {cores:g} processor cores is kept only roughly: the job runs on "
            f"{self._bounds.processors} of this machine's processors at a lower priority (see bv-robot doctor).",
            "WARN",
        )

    @property
    def sample_every(self) -> float:
        """Seconds between two samples."""
        return WATCH_EVERY if self._is_watched else SAMPLE_EVERY

    @property
    def _is_watched(self) -> bool:
        return self._bounds.memory is not None and self._group is None

    # Beginning

    def orders(self) -> dict[str, Any]:
        """What the job's process does to itself before it runs anything of the author's."""
        is_rough = self._group is None and self._bounds.cpu is not None
        burst = BURST * self._bounds.memory + BURST_ROOM if self._is_watched and self._bounds.memory else None
        return {
            "group": str(self._group.members) if self._group else None,
            "nice": max(self._bounds.nice, NICE_INSTEAD) if is_rough else self._bounds.nice,
            "processors": platforms.some_processors(self._bounds.processors) if is_rough else None,
            "most_data": burst,
            "keeps_cores": self._keeps_cores,
        }

    def confine_from_outside(self, pid: int) -> None:
        """Do to the process what it cannot do to itself on this system."""
        orders = self.orders()
        platforms.confine(pid, nice=orders["nice"], processors=orders["processors"])

    # Running

    def sample(self) -> Sample:
        """Look at what the job uses. Processes that come and go meanwhile do no harm."""
        sample = self._sample_of_group(self._group) if self._group else self._sample_of_processes()
        self.cpu_seconds = max(self.cpu_seconds, sample.cpu_seconds)
        self.max_memory = max(self.max_memory, sample.memory)
        return sample

    def _sample_of_group(self, group: JobGroup) -> Sample:
        return Sample(group.cpu_seconds(), group.memory())

    def _sample_of_processes(self) -> Sample:
        cpu, memory, processes = platforms.usage_of_children()[0], 0, platforms.descendants(self._mark)
        for process in processes:
            try:
                times = process.cpu_times()
                cpu += times.user + times.system + times.children_user + times.children_system
                memory += process.memory_info().rss
            except psutil.Error:
                continue
        if self._bounds.memory is not None and memory > self._bounds.memory:
            memory = min(memory, platforms.memory_of(processes))  # Once more, counting what they share only once.
        return Sample(cpu, memory)

    def is_exceeded(self, sample: Sample) -> bool:
        """Say whether the job must be ended from here because it uses more memory than it may."""
        return self._is_watched and self._bounds.memory is not None and sample.memory > self._bounds.memory

    # Ending

    def excess(self) -> str:
        """Name the limit and what was used."""
        self.max_memory = max(self.max_memory, platforms.usage_of_children()[1])
        used, limit = limits.readable(self.max_memory), limits.readable(self._bounds.memory or 0)
        return f"The job used {used}, more than its limit of {limit}, and was ended."

    def refusal(self) -> str | None:
        """What to say of a job that failed because it was given no more memory; None where it has no limit."""
        if self._bounds.memory is None:
            return None
        return (
            f"The job asked for more memory than its limit of {limits.readable(self._bounds.memory)} leaves room for."
        )

    def kill_by_kernel(self) -> str | None:
        """What to say of a SIGKILL that nobody here sent, where the kernel did for want of memory; None otherwise."""
        if self._group and self._group.kills():
            limit = self._bounds.memory
            of_whom = f"its limit of {limits.readable(limit)}" if limit else "the limit of the robot's own group"
            return f"The job used more memory than {of_whom}, and the kernel ended it."
        if deaths.kills_for_memory(self._counters) > self._kills_before:
            return "The kernel ended the job because this machine, or the robot's container, ran out of memory."
        return None

    def kill(self) -> None:
        """End everything in the job's control group, where it has one, at once."""
        if self._group:
            self._group.kill()

    def end(self) -> None:
        """Take the last figures once nothing of the job runs any more, and leave nothing behind."""
        ended_cpu, largest = platforms.usage_of_children()
        self.cpu_seconds, self.max_memory = max(self.cpu_seconds, ended_cpu), max(self.max_memory, largest)
        if self._group is None:
            return
        self.sample()
        if self._group.forks_refused():
            self._say("The job reached the most processes and threads that one may have, and was refused more.", "WARN")
        self._group.remove()
