"""Jobs for real robots that write down each time they begin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.flows import Flow

#: Writes down which execution it is, so that a second run of one would show; ends once it may.
COUNTS = """
import os, pathlib, time
def main(runs: str, go: str):
    with open(runs, "a") as file:
        print(os.environ["BV_EXECUTION_ID"], file=file, flush=True)
    while not pathlib.Path(go).exists():
        time.sleep(0.02)
    return os.environ["BV_EXECUTION_NUMBER"]
"""


class Counted:
    """Jobs that write down when they begin, and wait for a file before they end."""

    def __init__(self, flow: Flow, folder: Path, **fields: Any) -> None:
        self.flow, self.runs, self.go = flow, folder / "runs", folder / "go"
        self.runs.touch()
        self.process = flow.process(COUNTS, **fields)

    def start(self) -> str:
        """Ask for one."""
        return self.flow.run(self.process, parameters={"runs": str(self.runs), "go": str(self.go)})

    def begun(self) -> list[str]:
        """The executions that were begun, each as often as it was."""
        return self.runs.read_text().split()

    def wait_begun(self, count: int) -> None:
        self.flow.until(lambda: len(self.begun()) >= count)
