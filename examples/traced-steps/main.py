"""Trace the steps of a job, so that its page shows where the time went and what each step saw."""

import asyncio

from bv_robot import job

FACTS = {
    "robot": "A robot takes jobs and runs them.",
    "job": "A job is one run of a process.",
    "lease": "A lease is a promise.",
}


async def main(question: str = "what is a robot and what is a job") -> str:
    """Answer a question from a few facts.

    Args:
        question: Any text.

    Returns:
        Every fact that the question touches.
    """
    with job.span("answer", input=question, model="none") as answer:
        with job.span("find words") as step:
            words = step.output = [word for word in FACTS if word in question.lower()]
        found = await asyncio.gather(*(looked_up(word) for word in words))
        answer.output = " ".join(found) or "Nothing is known about that."
        return answer.output


async def looked_up(word: str) -> str:
    """Look up one fact. Steps that run at the same time stay apart."""
    with job.span("look up", input=word, source="memory") as step:
        await asyncio.sleep(0.01)
        step.output = FACTS[word]
        return FACTS[word]
