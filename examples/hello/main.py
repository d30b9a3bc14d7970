"""Greet somebody a few times."""

import logging
import time
from typing import Annotated, Any

log = logging.getLogger("hello")


def Field(**words: Any) -> dict[str, Any]:  # noqa: N802 - reads like the annotations of well-known libraries
    """Say something about a parameter. Only read from the source; libraries such as pydantic bring one of their own."""
    return words


def main(
    name: str = "world",
    count: Annotated[int, Field(ge=1, le=20)] = 3,
    pause: Annotated[float, Field(ge=0, le=10)] = 1.0,
) -> dict[str, Any]:
    """Greet somebody a few times.

    Args:
        name: Who is greeted.
        count: How many times.
        pause: Seconds to rest after each.

    Returns:
        The greetings, and how many there were.
    """
    log.info("Starting: %s greetings for %s", count, name)
    greetings = []
    for number in range(1, count + 1):
        greeting = f"Hello, {name}! ({number} of {count})"
        print(greeting)
        greetings.append(greeting)
        log.debug("Greeting %s is out", number)
        time.sleep(pause)
    if name == "world":
        log.warning("Nobody was named, so the whole world was greeted")
    log.info("Done")
    return {"greetings": greetings, "count": len(greetings)}
