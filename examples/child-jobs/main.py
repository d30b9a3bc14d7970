"""Split work between jobs.

Make two processes of this package: one of the entrypoint `part`, and one of `main` whose jobs may start the first.
"""

from bv_robot import job


class BusinessError(Exception):
    """Something is wrong with the data, so that trying again would not help."""


def main(numbers: list[int], process: str = "child-jobs part") -> dict[str, int]:
    """Add up squares in two jobs at once.

    Args:
        numbers: What to square and add.
        process: The process, by name or id, that does a part of it.

    Returns:
        The sum of each part, and of all.
    """
    half = len(numbers) // 2
    # With a key a further try of this job finds the children of the first.
    first = job.start(process, {"numbers": numbers[:half]}, dedupe_key=f"{process} 1 {numbers[:half]}")
    second = job.start(process, {"numbers": numbers[half:]}, dedupe_key=f"{process} 2 {numbers[half:]}")
    sums = [result_of(child) for child in (first, second)]
    return {"first": sums[0], "second": sums[1], "all": sum(sums)}


def result_of(child: job.ChildJob) -> int:
    """Wait for a child; if it did not do its part, neither can we."""
    if child.wait().status != "completed":
        raise BusinessError(f"The part {child.id} is {child.status}: {child.reason}")
    return child.result


def part(numbers: list[int]) -> int:
    """Add up the squares of some numbers.

    Args:
        numbers: What to square and add.
    """
    job.log("adding", count=len(numbers))
    return sum(number * number for number in numbers)
