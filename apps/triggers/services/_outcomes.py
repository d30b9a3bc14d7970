"""From due times to what is to be written of them. Reads, and changes nothing."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from apps.core import ids
from apps.jobs.services import Triggered, Wanted
from apps.triggers.models import Firing, FiringStatus, Trigger
from apps.triggers.rules import overlaps, substitution
from apps.triggers.rules.overlaps import Verdict, Way
from apps.triggers.services import _handing_out, _surroundings
from apps.triggers.services._handing_out import Batch
from apps.triggers.services._surroundings import Surroundings
from apps.triggers.services.kinds import KINDS, Decided, Kind, Wish

log = structlog.get_logger(__name__)

MOST_TIMES = 5_000
"""So many due times are written in one transaction; triggers beyond are left for the next."""
LONGEST_REASON, LONGEST_CODE, LONGEST_BROKEN = 1_000, 32, 500

#: What a kind may stumble over in a configuration that nobody foresaw. None of them is worth stopping the others for.
_STUMBLES = (ValueError, TypeError, LookupError, ArithmeticError)


@dataclass(slots=True)
class Outcome:
    """What is to be written of one trigger after one look at it."""

    trigger: Trigger
    next_at: datetime | None
    memory: dict[str, Any] = field(default_factory=dict)
    firings: list[Firing] = field(default_factory=list)
    wanted: list[Triggered] = field(default_factory=list)
    replaces: list[UUID] = field(default_factory=list)
    skip_next: bool = False
    broken: str = ""


def broken_outcome(trigger: Trigger, why: str, now: datetime) -> Outcome:
    """Return the outcome of a look at a trigger that cannot work: it stays where it is until somebody changes it."""
    why, due_at = why[:LONGEST_BROKEN], trigger.next_fire_at or now
    result = Outcome(trigger, trigger.next_fire_at, dict(trigger.memory), skip_next=trigger.skip_next, broken=why)
    if not _surroundings.decided([(trigger.pk, due_at)]):
        result.firings = [new_firing(trigger, due_at, now, status=FiringStatus.FAILED, code="broken", reason=why)]
    return result


def outcomes_of(triggers: Sequence[Trigger], now: datetime) -> list[Outcome]:
    """Decide about all due times of locked triggers up to now; those beyond ``MOST_TIMES`` are left out."""
    decisions = dict(_within_bounds(_decisions(triggers, now)))
    looked_at = [trigger for trigger in triggers if trigger.pk in decisions]
    around = _surroundings.read(looked_at)
    sound = {key: one for key, one in decisions.items() if isinstance(one, Decided)}
    known = _surroundings.decided((key, wish.due_at) for key, one in sound.items() for wish in one.wishes)
    going_on = _surroundings.going_on(looked_at)
    batches = _handing_out.batches_of(looked_at, decisions, now=now)
    looks = [_Look(one, around, now, known, going_on, batches.get(one.pk, [])) for one in looked_at]
    return [look.outcome(decisions[look.trigger.pk]) for look in looks]


def wanted_of(firing: Firing, trigger: Trigger, *, now: datetime, created_by: str = "", items: Batch = ()) -> Triggered:
    """Return one job that a firing of a trigger wants, with the facts of it in its parameters; it owns ``items``."""
    facts = {
        "due_at": firing.due_at.astimezone(UTC).isoformat(),
        "trigger": trigger.name,
        "item_ids": [str(item) for item in items],
    }
    wanted = Wanted(
        parameters=substitution.fill(trigger.parameters, facts),
        priority=trigger.priority,
        available_at=_spread(trigger, now),
        target_robot=trigger.target_robot,
        target_machine=trigger.target_machine,
        queue_items=items,
    )
    return Triggered(trigger.process, wanted, trigger.pk, firing.pk, created_by or f"trigger {trigger.name}")


def new_firing(trigger: Trigger, due_at: datetime, now: datetime, **facts: Any) -> Firing:
    """Return an unsaved firing of a trigger."""
    return Firing(
        id=ids.uuid7(),
        tenant_id=trigger.tenant_id,
        folder_id=trigger.folder_id,
        trigger=trigger,
        due_at=due_at,
        decided_at=now,
        **facts,
    )


def _spread(trigger: Trigger, now: datetime) -> datetime | None:
    return now + timedelta(seconds=random.uniform(0, trigger.jitter)) if trigger.jitter else None


def _decisions(triggers: Sequence[Trigger], now: datetime) -> Iterator[tuple[UUID, Decided | str]]:
    """Yield what the kind of each trigger decided, or why it could not, in the order of the triggers."""
    facts: dict[UUID, Any] = {}
    for name, kind in KINDS.items():
        facts |= kind.facts_of([trigger for trigger in triggers if trigger.kind == name], now=now)
    for trigger in triggers:
        yield trigger.pk, _decision(trigger, facts.get(trigger.pk), now)


def _decision(trigger: Trigger, facts: Any, now: datetime) -> Decided | str:
    try:
        return KINDS[trigger.kind].decide(trigger, facts, now=now)
    except _STUMBLES as error:
        log.warning("trigger_broken", trigger=str(trigger.pk), error=repr(error))
        return f"{error}"[:LONGEST_BROKEN] or type(error).__name__


def _within_bounds(decisions: Iterator[tuple[UUID, Decided | str]]) -> Iterator[tuple[UUID, Decided | str]]:
    times = 0
    for key, decided in decisions:
        times += len(decided.wishes) if isinstance(decided, Decided) else 1
        yield key, decided
        if times >= MOST_TIMES:
            return


class _Look:
    """One look at one trigger: its due times one after the other, each under what the ones before it began."""

    def __init__(
        self,
        trigger: Trigger,
        around: Surroundings,
        now: datetime,
        known: set[tuple[UUID, datetime]],
        going_on: Mapping[UUID, Sequence[UUID]],
        batches: Sequence[Batch],
    ) -> None:
        self.trigger, self.around, self.now, self.known = trigger, around, now, known
        self.going_on = list(going_on.get(trigger.pk, ()))
        self.batches = batches
        self.kind: Kind = KINDS[trigger.kind]
        self.live = around.live.get(trigger.pk, 0)
        self.waits = trigger.pk in around.waiting
        self.held = around.held_by(trigger)
        self.last_passed = trigger.memory.get("passed")
        self.result = Outcome(trigger, None, skip_next=trigger.skip_next)

    def outcome(self, decided: Decided | str) -> Outcome:
        """Return what is to be written."""
        if isinstance(decided, str):
            return self._broken(decided)
        self.result.next_at, self.result.memory = decided.next_at, dict(decided.memory)
        wishes = [wish for wish in decided.wishes if (self.trigger.pk, wish.due_at) not in self.known]
        last = max((index for index, wish in enumerate(wishes) if wish.jobs), default=-1)
        try:
            for index, wish in enumerate(wishes):
                self._carry_out(wish, self._verdict(wish, is_last=index == last))
        except _STUMBLES as error:
            return self._broken(str(error))
        return self.result

    def _verdict(self, wish: Wish, *, is_last: bool) -> Verdict:
        if not wish.jobs:
            return Verdict(Way.PASS, wish.code, wish.reason)
        if self.held:
            return Verdict(Way.PASS, "paused", self.held)
        if self.result.skip_next:
            self.result.skip_next = False
            return Verdict(Way.PASS, "skip_next", "Somebody had this one time skipped.")
        if silent := self.around.silent_at(self.trigger, wish.due_at):
            return Verdict(Way.PASS, "calendar", silent)
        if self.kind.counts_its_jobs:
            return Verdict(Way.START)
        return overlaps.judge(self.trigger.overlap, live=self.live, waits=self.waits, is_last=is_last)

    def _carry_out(self, wish: Wish, verdict: Verdict) -> None:
        if verdict.way is Way.PASS:
            self._pass(wish, verdict)
            return
        owned = self.batches if wish.batch_size else [()] * wish.jobs
        if not owned:
            return  # Others took meanwhile what waited: there is nothing to hand out until the next look.
        firing = self._firing(wish, FiringStatus.FIRED, verdict)
        if verdict.way is Way.WAIT:
            self.waits = True
            return
        if verdict.way is Way.REPLACE:
            self.result.replaces = self.going_on
        if wish.batch_size:
            firing.facts["handed_out"] = [len(items) for items in owned]
        self.result.wanted += [wanted_of(firing, self.trigger, now=self.now, items=items) for items in owned]
        self.live += len(owned)

    def _pass(self, wish: Wish, verdict: Verdict) -> None:
        if self.kind.is_quiet:
            self.result.memory["passed"] = verdict.code
        if not (self.kind.is_quiet and self.last_passed == verdict.code):
            self._firing(wish, FiringStatus.SKIPPED, verdict)

    def _firing(self, wish: Wish, status: FiringStatus, verdict: Verdict) -> Firing:
        firing = new_firing(
            self.trigger,
            wish.due_at,
            self.now,
            status=status,
            code=verdict.code[:LONGEST_CODE],
            reason=verdict.reason[:LONGEST_REASON],
            facts=dict(wish.facts),
        )
        self.result.firings.append(firing)
        return firing

    def _broken(self, why: str) -> Outcome:
        return broken_outcome(self.trigger, f"It cannot work until it is changed: {why}", self.now)
