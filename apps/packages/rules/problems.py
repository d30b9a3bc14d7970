"""How the rules of packages say what is wrong: one `Problem` for each thing, gathered in `Findings`."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a package.

    `code` is for programs and stays the same over releases. `message` is for the author: it says what is wrong and
    what would be right. `file` is a name inside the archive, empty where the archive itself is meant. `line` and
    `column` count from 1.
    """

    code: str
    message: str
    file: str = ""
    line: int | None = None
    column: int | None = None

    def as_json(self) -> dict[str, str | int | None]:
        """Return the problem as plain data, for an answer or a row."""
        return {
            "code": self.code,
            "message": self.message,
            "file": self.file,
            "line": self.line,
            "column": self.column,
        }

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        return f"{place}: {self.message}" if place else self.message


@dataclass(slots=True)
class _Kept:
    """Problems up to a number; those beyond it are only counted."""

    most: int
    problems: list[Problem] = field(default_factory=list)
    left_out: int = 0

    def add(self, problem: Problem) -> None:
        if len(self.problems) >= self.most:
            self.left_out += 1
        elif problem not in self.problems:
            self.problems.append(problem)

    def listed(self) -> tuple[Problem, ...]:
        if not self.left_out:
            return tuple(self.problems)
        return (*self.problems, Problem("more_problems", f"There are {self.left_out} more like these."))


class Findings:
    """What has been found in one package so far: errors, for which it is refused, and warnings."""

    def __init__(self, most: int) -> None:
        self._errors = _Kept(most)
        self._warnings = _Kept(most)

    @property
    def errors(self) -> tuple[Problem, ...]:
        return self._errors.listed()

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return self._warnings.listed()

    def error(
        self, code: str, message: str, file: str = "", line: int | None = None, column: int | None = None
    ) -> None:
        """Note something for which the package is refused."""
        self._errors.add(Problem(code, message, shown(file), line, column))

    def warning(
        self, code: str, message: str, file: str = "", line: int | None = None, column: int | None = None
    ) -> None:
        """Note something its author should know, although the package is accepted."""
        self._warnings.add(Problem(code, message, shown(file), line, column))


def shown(text: str, most: int = 200) -> str:
    """Return `text` so that it can be put before people: nothing invisible, nothing that steers, not too long.

    Names and values out of a package are the words of a stranger, and may hold NUL, control characters, marks that
    turn the direction of writing, or half a surrogate pair, which neither a database nor a terminal should meet.
    """
    visible = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text[: most + 1]
    )
    return visible if len(visible) <= most else visible[: most - 1] + "…"
