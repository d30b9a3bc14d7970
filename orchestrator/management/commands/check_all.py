"""``manage.py check_all``: every check that is not a test."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Table

from orchestrator import embedded

PYTHON = sys.executable
MANAGE = [PYTHON, "manage.py"]
CHECKS = {
    "ruff": [PYTHON, "-m", "ruff", "check", "."],
    "format": [PYTHON, "-m", "ruff", "format", "--check", "."],
    "types": [PYTHON, "-m", "mypy"],
    "robot's types": [PYTHON, "-m", "mypy", "--config-file", "robot/pyproject.toml", "robot/bv_robot"],
    "imports": [str(Path(PYTHON).with_name("lint-imports"))],
    "images": [str(Path(PYTHON).with_name("hadolint")), "docker/Dockerfile", "docker/Dockerfile.robot"],
    "migrations": [*MANAGE, "makemigrations", "--check", "--dry-run"],
    "openapi": [*MANAGE, "spectacular", "--fail-on-warn", "--validate", "--file", os.devnull],
}


@dataclass(frozen=True, slots=True)
class Result:
    """What one check found."""

    name: str
    is_good: bool
    seconds: float
    output: str


class Command(BaseCommand):
    help = "Check style, types, import rules, images, migrations and the API description."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        with tempfile.TemporaryDirectory(prefix="bv-check-") as folder:
            Path(folder).chmod(0o711)  # PostgreSQL's account must pass through where we are root.
            results = [self._check(name, command, folder) for name, command in CHECKS.items()]
        self._show(results)
        if not all(result.is_good for result in results):
            raise CommandError("Not all checks are good.")

    def _check(self, name: str, command: list[str], data_dir: str) -> Result:
        self.stdout.write(f"Checking {name} …")
        self.stdout.flush()
        begun = time.monotonic()
        done = subprocess.run(
            command,
            cwd=embedded.CHECKOUT,
            env={**os.environ, "BV_NO_BOOTSTRAP": "1", "BV_DATA_DIR": data_dir, "PYTHONPATH": "robot"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return Result(name, done.returncode == 0, time.monotonic() - begun, done.stdout)

    def _show(self, results: list[Result]) -> None:
        console = Console(file=self.stdout)  # type: ignore[arg-type]
        for result in results:
            if not result.is_good:
                console.rule(result.name)
                console.print(result.output.strip(), markup=False, highlight=False, soft_wrap=True)
        table = Table("check", "result", "seconds")
        for result in results:
            table.add_row(result.name, "ok" if result.is_good else "FAILED", f"{result.seconds:.1f}")
        console.print(table)
