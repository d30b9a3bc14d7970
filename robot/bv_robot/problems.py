"""What keeps a robot from taking work, or asks for an operator: one word for programs, a sentence for people."""

from __future__ import annotations

SENTENCES = {
    "stopping": "It was asked to end: what runs is finished, nothing new is taken.",
    "paused": "Nothing new is taken. Take work again by: bv-robot resume",
    "spool_unusable": "The spool cannot be written, so nothing new is taken. See who owns the home: bv-robot doctor",
    "spool_full": "The disk is almost full, so nothing new is taken; what runs goes on. Make room: bv-robot cleanup",
    "result_in_memory": (
        "A result is kept in memory, because the disk does not take it. Make room, and leave the robot running "
        "until then: a restart of the machine would lose the result"
    ),
    "spool_quarantined": (
        "A damaged or unknown record was put into quarantine. See what and where by: bv-robot status. "
        "Remove it once it is looked into"
    ),
    "token_not_stored": "The new token could not be stored, which is tried again. Make room on the disk",
}
"""By the word that ``state.problem`` of a sync has, and ``bv-robot status`` shows."""

ORDERED = {"stopping", "paused"}
"""What somebody asked for, and was told about then."""


def sentence(problem: str) -> str:
    """What a problem means and what to do about it; the word itself where it is not known."""
    return SENTENCES.get(problem, problem)
