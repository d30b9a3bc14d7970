"""YAML with lines, and without what makes YAML dangerous: no tags, no anchors, no merging, no duplicate keys.

Values are taken from the parser's events, so nothing is ever constructed: an alias cannot multiply, a tag cannot name a
class, and a document can be left in the middle when it holds too much.
"""

from collections.abc import Iterator
from typing import Any, cast

import yaml

from apps.packages.rules.limits import Limits
from apps.packages.rules.manifests import located
from apps.packages.rules.manifests.located import Bare, Located, Malformed, check_storable, decoded

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # wheels have libyaml; it is ten times faster
_RESOLVER = yaml.SafeLoader("")
_LONGEST_BARE = 100  # characters; no number or date is longer
_PREFIX = "tag:yaml.org,2002:"

Events = Iterator[yaml.Event]


def parse(raw: bytes, limits: Limits) -> Located:
    """Return the one document in `raw`, or raise `Malformed`."""
    text = decoded(raw)
    try:
        root = _Builder(limits).document(yaml.parse(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        raise _malformed(error) from error
    except yaml.reader.ReaderError as error:
        line = text.encode().count(b"\n", 0, max(0, int(error.position))) + 1
        raise Malformed("bad_yaml", f"YAML does not allow a character of this file ({error.reason}).", line) from error
    check_storable(root)
    return root


def _malformed(error: yaml.MarkedYAMLError) -> Malformed:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
    return Malformed("bad_yaml", f"This is not YAML: {error.problem or error.context}.", line, column)


class _Builder:
    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._nodes = 0

    def document(self, events: Events) -> Located:
        next(events)  # the start of the stream
        first = next(events)
        if isinstance(first, yaml.StreamEndEvent):
            return Located(None, 1, 1)
        root = self._value(next(events), events, 0)
        next(events)  # the end of the document
        after = next(events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise _refusal("bad_yaml", "Only one YAML document is accepted.", after)
        return root

    def _value(self, event: yaml.Event, events: Events, depth: int) -> Located:
        self._nodes += 1
        if depth > self._limits.manifest_depth or self._nodes > self._limits.manifest_nodes:
            raise _refusal("too_complex", located.too_complex(self._limits), event)
        _check_plain(event)
        line, column = _place(event)
        match event:
            case yaml.MappingStartEvent():
                return Located(self._fields(events, depth), line, column)
            case yaml.SequenceStartEvent():
                return Located(self._items(events, depth), line, column)
        return Located(_scalar(cast(yaml.ScalarEvent, event)), line, column)

    def _fields(self, events: Events, depth: int) -> dict[str, Located]:
        fields: dict[str, Located] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            name = self._value(event, events, depth + 1)
            if not isinstance(name.value, str):
                raise _refusal("bad_yaml", "Names of fields must be text.", event)
            if name.value in fields:
                raise _refusal("duplicate_key", "This field is given twice; keep one.", event)
            fields[name.value] = self._value(next(events), events, depth + 1)
        return fields

    def _items(self, events: Events, depth: int) -> list[Located]:
        items: list[Located] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(self._value(event, events, depth + 1))
        return items


def _check_plain(event: yaml.Event) -> None:
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
        raise _refusal("yaml_anchor", "Anchors and aliases are not accepted; write the value out.", event)
    if getattr(event, "tag", None) is not None:
        raise _refusal("yaml_tag", "Tags ('!…') are not accepted; write the value plainly.", event)


def _scalar(event: yaml.ScalarEvent) -> str | bool | Bare | None:
    text: str = event.value
    if not event.implicit[0] or len(text) > _LONGEST_BARE:
        return text
    tag: str = _RESOLVER.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    match tag.removeprefix(_PREFIX):
        case "null":
            return None
        case "bool":
            return yaml.SafeLoader.bool_values[text.lower()]
        case "int" | "float" | "timestamp":
            return Bare(text)
        case "merge":
            raise _refusal("yaml_anchor", "Merging ('<<') is not accepted; write the fields out.", event)
    return text


def _refusal(code: str, message: str, event: yaml.Event) -> Malformed:
    return Malformed(code, message, *_place(event))


def _place(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)
