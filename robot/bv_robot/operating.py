"""``bv-robot pause``, ``resume``, ``drain`` and ``stop``: orders to the listener of a home, given from outside."""

from __future__ import annotations

from typing import Any

from bv_robot import orders, several, spool, telling
from bv_robot.config import Home
from bv_robot.spool import HomeLock


def pause(home: Home) -> None:
    """Have the robot take nothing new until it is resumed."""
    home.make()
    orders.pause(home)
    is_running = runs(home)
    effect = (
        "what runs goes on, nothing new is taken" if is_running else f"{_nobody(home)}; its next start takes no work"
    )
    _say(home, f"Paused: {effect}. Take work again by: bv-robot resume", paused=True, running=is_running)


def resume(home: Home) -> None:
    """Have a paused robot take work again."""
    was_paused, is_running = orders.resume(home), runs(home)
    told = "Resumed: work is taken again" if was_paused else "It was not paused"
    told = told if is_running else f"{told}; {_nobody(home)}, so start it with: bv-robot run"
    _say(home, told, paused=False, running=is_running)


def drain(home: Home) -> None:
    """Have the listener finish what runs, take nothing new, and end."""
    _order_to_stop(home, orders.DRAIN)


def stop(home: Home, *, is_urgent: bool) -> None:
    """Do what SIGTERM does: a first time what runs is finished, asked again, or where it is urgent, it is ended."""
    _order_to_stop(home, orders.AT_ONCE if is_urgent or _is_stopping(home) else orders.DRAIN)


def runs(home: Home) -> bool:
    """Say whether a listener runs in this home, or is started again there in a moment."""
    return (home.lock_file.exists() and HomeLock(home.lock_file).is_held()) or several.is_kept(home)


def _nobody(home: Home) -> str:
    return f"no robot runs in {home.root}"


def _is_stopping(home: Home) -> bool:
    """Say whether a stop was asked for already, by an order or by a signal."""
    return bool(orders.urgency_of_stop(home)) or spool.read_note(home.status_file).get("problem") == "stopping"


def _order_to_stop(home: Home, urgency: int) -> None:
    if runs(home):
        orders.stop(home, urgency)
        if runs(home):
            _tell_what_happens(home)
            return
        orders.forget_stop(home)  # It ended by itself meanwhile; the order must not reach its next start.
    _say(home, f"Nothing to stop: {_nobody(home)}. See what it left by: bv-robot status", running=False)


def _tell_what_happens(home: Home) -> None:
    if orders.urgency_of_stop(home) == orders.AT_ONCE:
        _say(home, "Stopping now: what runs is ended and reported.", running=True, stopping="at once")
        return
    told = "Draining: what runs is finished, nothing new is taken, then the robot ends. Watch it by: bv-robot status. "
    _say(home, f"{told}End what runs by: bv-robot stop --now", running=True, stopping="drain")


def _say(home: Home, told: str, **facts: Any) -> None:
    """Tell what was done; among several robots, to which."""
    name = several.name_of(home)
    telling.say(f"{name}: {told}" if name else told, **facts, **({"robot": name} if name else {}))
