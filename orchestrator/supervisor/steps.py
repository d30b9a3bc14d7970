"""Programs that run once, to their end, before or beside those that keep running."""

from __future__ import annotations

import os
import select
import subprocess
from collections import deque
from collections.abc import Callable, Iterator

from orchestrator.supervisor import guardian
from orchestrator.supervisor.children import Program, meaning_of
from orchestrator.supervisor.guardian import Guardian, Target
from orchestrator.supervisor.logs import RotatingFile

TAIL_LINES = 20
CHECK_SECONDS = 0.2


class StepFailed(Exception):
    """A step ended with an error; the message holds the end of what it said."""


def run(
    program: Program,
    watcher: Guardian,
    log: RotatingFile,
    on_line: Callable[[str], None],
    *,
    check: Callable[[], None],
) -> str:
    """Run a program to its end and return what it said.

    Every line goes to the log and to ``on_line`` as it comes. ``check`` is called several times a second; an exception
    from it kills the program. Raises ``StepFailed``.
    """
    process = _start(program)
    watcher.watch(Target(process.pid, program.rank, int(program.stop_signal), program.grace))
    try:
        lines = _follow(process, log, on_line, check)
        code = process.wait()
    finally:
        _end(process)
        watcher.forget(process.pid)
    if code:
        said = "\n".join(deque(lines, TAIL_LINES)) or "(nothing)"
        raise StepFailed(f"{program.name} {meaning_of(code)}. The last it said:\n{said}")
    return "\n".join(lines)


def _start(program: Program) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            list(program.command),
            env=dict(program.environment),
            cwd=program.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **program.popen_options,
        )
    except OSError as error:
        raise StepFailed(f"{program.name} cannot be started: {error}") from error


def _follow(
    process: subprocess.Popen[bytes], log: RotatingFile, on_line: Callable[[str], None], check: Callable[[], None]
) -> list[str]:
    lines: list[str] = []
    for text in _lines(process, check):
        log.write(text)
        lines.append(text.decode(errors="replace").rstrip("\n"))
        on_line(lines[-1])
    return lines


def _lines(process: subprocess.Popen[bytes], check: Callable[[], None]) -> Iterator[bytes]:
    """Yield the output line by line, calling ``check`` also while nothing comes."""
    assert process.stdout is not None
    rest = b""
    while True:
        check()
        if not select.select([process.stdout], [], [], CHECK_SECONDS)[0]:
            continue
        chunk = os.read(process.stdout.fileno(), 65536)
        if not chunk:
            break
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line + b"\n" for line in whole)
    if rest:
        yield rest


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is None:
        guardian.kill_group(process.pid)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
