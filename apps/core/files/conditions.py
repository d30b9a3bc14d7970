"""Writing and deleting only where a file still is what one last saw of it."""

from __future__ import annotations

from dataclasses import dataclass

from apps.core.errors import Outdated


@dataclass(frozen=True, slots=True)
class Condition:
    """What a caller takes for granted about a file.

    ``among``: the hashes of which it has one; ``*`` stands for any. ``is_absent``: there is no file yet.
    """

    among: frozenset[str] = frozenset()
    is_absent: bool = False

    def check(self, name: str, sha256: str | None) -> None:
        """Raise ``Outdated`` unless it holds for the file of this name, whose hash is ``None`` where there is none."""
        if self.is_absent and sha256 is not None:
            raise Outdated(f"There is a file “{name}” already.", sha256=sha256)
        if self.among and sha256 is None:
            raise Outdated(f"There is no file “{name}” any more.", sha256=None)
        if self.among and not self.among & {"*", sha256}:
            raise Outdated(f"The file “{name}” is another by now. Read it again.", sha256=sha256)


ALWAYS = Condition()
