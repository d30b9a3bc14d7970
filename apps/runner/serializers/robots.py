"""Reading what robots send: shapes checked by hand, every wrong field named."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from apps.core import masking
from apps.core.errors import Invalid, Problem
from apps.jobs.rules.reports import End
from apps.jobs.services import Report
from apps.robots.services import Newcomer
from apps.runner.services import Presence, Renewal

MOST_LEASES = MOST_PROTOCOLS = 64
OUTCOMES = {"completed": End.COMPLETED, "failed": End.FAILED, "cancelled": End.CANCELLED}
#: What of an error is kept; a longer traceback loses its middle.
LONGEST_MESSAGE, LONGEST_TRACEBACK = 10_000, 100_000


class Body:
    """A JSON object being read field by field; what is wrong is collected and refused together."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data
        self.problems: list[Problem] = []

    def take(self, name: str, read: Callable[[Any], Any], right: str, *, default: Any = ...) -> Any:
        """Return a field read by ``read``; ``right`` says what would be right. Without default it is required."""
        value = self.data.get(name)
        if value is None and default is not ...:
            return default
        try:
            return read(value)
        except (TypeError, ValueError, KeyError, AttributeError):
            self.problems.append(Problem(name, f"must be {right}."))
            return None

    def within(self, place: str, data: Mapping[str, Any], name: str, read: Callable[[Any], Any], right: str) -> Any:
        """Return a field of an object in the body, or ``None`` where it is left out."""
        inner = Body(data)
        value = inner.take(name, read, right, default=None)
        self.problems += [Problem(f"{place}.{one.field}", one.message) for one in inner.problems]
        return value

    def done(self) -> None:
        """Raise ``Invalid`` if anything was wrong."""
        if self.problems:
            text = "; ".join(f"{problem.field}: {problem.message}" for problem in self.problems)
            raise Invalid(text, problems=self.problems)


def uuid(value: Any) -> UUID:
    """Read a UUID given as text. Raises ``ValueError``."""
    if not isinstance(value, str):
        raise ValueError(value)
    return UUID(value)


def whole(value: Any) -> int:
    """Read a whole number that is not negative. Raises ``ValueError``."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise ValueError(value)
    return value


def signed(value: Any) -> int:
    """Read a whole number of 32 bits, such as an exit code. Raises ``ValueError``."""
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**31) <= value < 2**31:
        raise ValueError(value)
    return value


def seconds(value: Any) -> float:
    """Read a duration that is not negative. Raises ``ValueError``."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise ValueError(value)
    return float(value)


def unix_seconds(value: Any) -> float:
    """Read a moment of whatever clock, as wrong as that may be. Raises ``ValueError``."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e12 < value < 1e12:
        raise ValueError(value)
    return float(value)


def share(value: Any) -> float:
    """Read a share, cut to 1: what is measured can be a little more. Raises ``ValueError``."""
    return min(1.0, seconds(value))


def load(value: Any) -> float:
    """Read a load average per processor, cut to 1,000. Raises ``ValueError``."""
    return min(1_000.0, seconds(value))


def text(value: Any, longest: int = 200) -> str:
    """Read a text, cut to ``longest`` characters. Raises ``ValueError``."""
    if not isinstance(value, str):
        raise ValueError(value)
    return value[:longest]


def table(value: Any) -> dict[str, Any]:
    """Read an object. Raises ``ValueError``."""
    if not isinstance(value, dict):
        raise ValueError(value)
    return value


def truth(value: Any) -> bool:
    """Read true or false. Raises ``ValueError``."""
    if not isinstance(value, bool):
        raise ValueError(value)
    return value


def uuids(value: Any) -> list[UUID]:
    """Read a list of at most 64 UUIDs. Raises ``ValueError``."""
    if not isinstance(value, list) or len(value) > MOST_LEASES:
        raise ValueError(value)
    return [uuid(item) for item in value]


def read_newcomer(data: Mapping[str, Any]) -> tuple[Newcomer, str, list[UUID], tuple[int, int]]:
    """Read the opening of a session: who comes, the host's signature, proven leases, the highest tick seen."""
    body = Body(data)
    newcomer = Newcomer(
        instance_id=body.take("instance_id", uuid, "a UUID, new for each process"),
        boot_id=body.take("boot_id", lambda v: text(v, 100), "a text", default=""),
        resume_secret=body.take("resume_secret", text, "the text the last session gave, or null", default=""),
        agent=body.take("agent", table, "an object", default={}),
        capabilities=body.take("capabilities", _capabilities, "an object with a list “executors”", default={}),
        protocols=body.take("protocols", _protocols, "a list of at most 64 version numbers", default=(1,)),
    )
    signature = body.take("machine_signature", lambda v: text(v, 1000), "a text", default="")
    running = body.take("running", uuids, "a list of at most 64 lease ids", default=[])
    highest = body.take("highest", _highest, "an object of epoch and tick", default=(0, 0))
    body.done()
    return newcomer, signature, running, highest


def read_presence(data: Mapping[str, Any], raw: bytes) -> Presence:
    """Read one sync."""
    body = Body(data)
    state = body.take("state", table, "an object", default={})
    highest = body.take("highest", _highest, "an object of epoch and tick", default=(0, 0))
    told = body.take("metrics", table, "an object", default={}) or {}
    presence = Presence(
        session=body.take("session", uuid, "the id of the session"),
        seq=body.take("seq", whole, "a number that rises with each sync"),
        body_digest=hashlib.blake2b(raw, digest_size=16).hexdigest(),
        wishes=body.take("wishes", uuids, "a list of at most 64 UUIDs", default=[]),
        leases=body.take("leases", _renewals, "a list of at most 64 objects with a lease id", default=[]),
        metrics=_metrics(body, told),
        clock=body.within("metrics", told, "clock", unix_seconds, "Unix seconds"),
        is_sample=body.take("sample", truth, "true or false", default=False),
        accepting=bool(state.get("accepting", True)) if state is not None else True,
        problem=str(state.get("problem", "") or "")[:100] if state is not None else "",
        epoch=(highest or (0, 0))[0],
        tick=(highest or (0, 0))[1],
    )
    body.done()
    return presence


def read_report(data: Mapping[str, Any]) -> Report:
    """Read a finish report."""
    body = Body(data)
    report = Report(
        job_id=body.take("job", uuid, "the job's id"),
        number=body.take("number", whole, "the execution's number"),
        outcome=body.take("outcome", OUTCOMES.__getitem__, "completed, failed or cancelled"),
        digest=body.take("digest", lambda v: text(v, 64), "a hexadecimal SHA-256"),
        result=data.get("result"),
        error=body.take("error", _error, "an object", default=None),
        exit_code=body.take("exit_code", signed, "a whole number", default=None),
        usage=body.take("usage", table, "an object", default=None),
        log_length=body.take("log", lambda v: whole(v["length"]), "an object of length and crc32", default=None),
        log_crc32=body.take("log", lambda v: int(v["crc32"], 16), "an object of length and crc32", default=None),
        effects=body.take("effects", list, "a list", default=[]),
    )
    body.done()
    return report


#: What is kept of a robot's metrics, how each is read, and what would be right. Anything else is left out.
_METRICS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "cpu": (share, "a share from 0 to 1"),
    "memory": (share, "a share from 0 to 1"),
    "disk": (share, "a share from 0 to 1"),
    "disk_free": (whole, "a whole number of bytes"),
    "load": (load, "a load average that is not negative"),
    "spool_depth": (whole, "a whole number that is not negative"),
    "environments": (whole, "a whole number that is not negative"),
}


def _metrics(body: Body, told: Mapping[str, Any]) -> dict[str, Any]:
    read = {name: body.within("metrics", told, name, *how) for name, how in _METRICS.items()}
    return {name: value for name, value in read.items() if value is not None}


def _capabilities(value: Any) -> dict[str, Any]:
    executors = table(value).get("executors", ["robot"])
    if not isinstance(executors, list) or not all(isinstance(name, str) and len(name) <= 16 for name in executors):
        raise ValueError(value)
    return {**value, "executors": executors}


def _protocols(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= MOST_PROTOCOLS:
        raise ValueError(value)
    return tuple(whole(version) for version in value)


def _highest(value: Any) -> tuple[int, int]:
    return whole(table(value).get("epoch", 0)), whole(value.get("tick", 0))


def _renewals(value: Any) -> list[Renewal]:
    if not isinstance(value, list) or len(value) > MOST_LEASES:
        raise ValueError(value)
    return [_renewal(table(item)) for item in value]


def _renewal(item: dict[str, Any]) -> Renewal:
    usage = {name: item[name] for name in ("cpu", "memory") if isinstance(item.get(name), int | float)}
    progress, running_for = item.get("progress"), item.get("running_for")
    return Renewal(
        lease=uuid(item["lease"]),
        progress=None if progress is None else _progress(table(progress)),
        usage=usage or None,
        running_for=None if running_for is None else seconds(running_for),
    )


def _progress(value: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {name: text(value[name], 1000) for name in ("step", "message") if value.get(name)}
    if value.get("percent") is not None:
        kept["percent"] = min(100.0, seconds(value["percent"]))
    return kept


def _error(value: Any) -> dict[str, Any]:
    error = table(value)
    traceback = masking.mask_tokens_in_text(str(error.get("traceback") or ""))
    half = LONGEST_TRACEBACK // 2
    if len(traceback) > LONGEST_TRACEBACK:
        traceback = f"{traceback[:half]}\n… {len(traceback) - 2 * half} characters left out …\n{traceback[-half:]}"
    return {
        "type": str(error.get("type") or "")[:200],
        "message": masking.mask_tokens_in_text(str(error.get("message") or ""))[:LONGEST_MESSAGE],
        "traceback": traceback,
        "code": str(error.get("code") or "application_error")[:40],
    }
