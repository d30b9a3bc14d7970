"""JSON with lines: every value knows where it stands, and what Python's reader lets pass is refused.

Scalars are read by the standard library; only the brackets are walked here, which is what gives lines, duplicate keys
and a bound on depth.
"""

import json
import re
from bisect import bisect_right
from typing import NoReturn

from apps.packages.rules.limits import Limits
from apps.packages.rules.manifests import located
from apps.packages.rules.manifests.located import Bare, Located, Malformed, check_storable, decoded

_SPACE = re.compile(r"[ \t\r\n]*")


def parse(raw: bytes, limits: Limits) -> Located:
    """Return the one value in `raw`, or raise `Malformed`."""
    reader = _Reader(decoded(raw), limits)
    root, at = reader.value(reader.after_space(0), 0)
    if reader.after_space(at) != len(reader.text):
        reader.refuse("There is something after the end of the JSON value.", reader.after_space(at))
    check_storable(root)
    return root


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON.")


class _Reader:
    def __init__(self, text: str, limits: Limits) -> None:
        self.text = text
        self._limits = limits
        self._nodes = 0
        self._scalars = json.JSONDecoder(parse_int=Bare, parse_float=Bare, parse_constant=_no_constant)
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]

    def refuse(self, message: str, at: int, code: str = "bad_json") -> NoReturn:
        raise Malformed(code, message, *self._place(at))

    def after_space(self, at: int) -> int:
        match = _SPACE.match(self.text, at)
        return match.end() if match else at

    def value(self, at: int, depth: int) -> tuple[Located, int]:
        """Return the value that starts at `at`, and where it ends."""
        self._nodes += 1
        if depth > self._limits.manifest_depth or self._nodes > self._limits.manifest_nodes:
            self.refuse(located.too_complex(self._limits), at, "too_complex")
        match self.text[at : at + 1]:
            case "{":
                return self._object(at, depth)
            case "[":
                return self._list(at, depth)
        scalar, end = self._scalar(at)
        return Located(scalar, *self._place(at)), end

    def _object(self, start: int, depth: int) -> tuple[Located, int]:
        fields: dict[str, Located] = {}
        at = self.after_space(start + 1)
        while not self._closes("}", at, is_first=not fields):
            at = self._separated(at, is_first=not fields)
            name, end = self._scalar(at)
            if not isinstance(name, str):
                self.refuse("A name in double quotes is expected here.", at)
            if name in fields:
                self.refuse("This name is given twice; keep one.", at, "duplicate_key")
            end = self.after_space(end)
            if self.text[end : end + 1] != ":":
                self.refuse("A ':' is expected here.", end)
            fields[name], end = self.value(self.after_space(end + 1), depth + 1)
            at = self.after_space(end)
        return Located(fields, *self._place(start)), at + 1

    def _list(self, start: int, depth: int) -> tuple[Located, int]:
        items: list[Located] = []
        at = self.after_space(start + 1)
        while not self._closes("]", at, is_first=not items):
            at = self._separated(at, is_first=not items)
            item, end = self.value(at, depth + 1)
            items.append(item)
            at = self.after_space(end)
        return Located(items, *self._place(start)), at + 1

    def _closes(self, bracket: str, at: int, *, is_first: bool) -> bool:
        found = self.text[at : at + 1]
        if found == bracket:
            return True
        if not is_first and found != ",":
            self.refuse(f"A ',' or '{bracket}' is expected here.", at)
        return False

    def _separated(self, at: int, *, is_first: bool) -> int:
        return at if is_first else self.after_space(at + 1)

    def _scalar(self, at: int) -> tuple[str | bool | Bare | None, int]:
        if self.text[at : at + 1] in {"{", "["}:
            self.refuse("A name in double quotes is expected here.", at)
        try:
            scalar, end = self._scalars.raw_decode(self.text, at)
        except json.JSONDecodeError as error:
            self.refuse(f"This is not JSON: {error.msg}.", error.pos)
        except ValueError as error:
            self.refuse(str(error), at)
        return scalar, end

    def _place(self, at: int) -> tuple[int, int]:
        line = bisect_right(self._lines, at)
        return line, at - self._lines[line - 1] + 1
