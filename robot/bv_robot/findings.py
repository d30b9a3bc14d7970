"""What ``bv-robot doctor`` reports of each thing it looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One thing that was checked.

    Attributes:
        name: What was checked.
        found: How it is.
        advice: What to do about it; empty where there is nothing to do.
        state: ``warning`` where the robot works, but not as it should; ``PROBLEM`` where it cannot.
    """

    name: str
    found: str
    advice: str = ""
    state: Literal["ok", "warning", "PROBLEM"] = "ok"

    @classmethod
    def warning(cls, name: str, found: str, advice: str) -> Finding:
        return cls(name, found, advice, "warning")

    @classmethod
    def problem(cls, name: str, found: str, advice: str) -> Finding:
        return cls(name, found, advice, "PROBLEM")

    @property
    def needs_attention(self) -> bool:
        return self.state != "ok"
