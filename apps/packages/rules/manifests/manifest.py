"""What a package says of itself, once all its dialects have been read into one form."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What sort of automation a package holds. It is shown and filtered by; both run alike."""

    RPA = "rpa"
    AGENT = "agent"


@dataclass(frozen=True, slots=True)
class Entrypoint:
    """One thing in a package that can be run: a function of a module, or a script.

    `command` is how it is written and sent to robots: `module:function`, or the path of a `.py` file. `line` is where
    it stands in `bvproject.yaml`.
    """

    name: str
    command: str
    is_default: bool
    line: int | None = None

    @property
    def is_script(self) -> bool:
        return self.command.endswith(".py")

    @property
    def script(self) -> str | None:
        """The script's path from the package's root; `None` for a function."""
        return self.command if self.is_script else None

    @property
    def module(self) -> str | None:
        """The dotted name of the function's module; `None` for a script."""
        return None if self.is_script else self.command.partition(":")[0]

    @property
    def function(self) -> str | None:
        return None if self.is_script else self.command.partition(":")[2]

    def as_json(self) -> dict[str, str | bool]:
        """Return the entrypoint in the shape that clients know."""
        return {"name": self.name, "command": self.command, "default": self.is_default}


@dataclass(frozen=True, slots=True)
class Manifest:
    """What `bvproject.yaml` and its companions say.

    `python_version` is a version (`3.11`), a specifier (`>=3.10`) or empty. `lock_sha256` is the hash of
    `requirements.lock` as it lies in the archive, empty without one. `root` is the folder that holds the project:
    empty, or one name with a `/`, where everything was packed into a single folder.
    """

    name: str
    version: str
    kind: Kind
    description: str
    python_version: str
    entrypoints: tuple[Entrypoint, ...]
    dependencies: tuple[str, ...]
    lock_sha256: str
    root: str

    @property
    def default_entrypoint(self) -> Entrypoint:
        return next(entrypoint for entrypoint in self.entrypoints if entrypoint.is_default)
