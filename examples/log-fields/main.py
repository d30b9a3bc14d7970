"""Log what happens so that programs can read it too.

A message says what happened, in words that stay the same; what differs from case to case goes into fields.
"""

from bv_robot import job

PAYMENTS = [("P-1", "Alder & Sons", 120.0), ("P-2", "Birch Ltd", -5.0), ("P-3", "Cedar GmbH", 80.5)]


def main(least: float = 0.0) -> dict[str, float]:
    """Book all payments of at least so much.

    Args:
        least: Smaller payments are left out, with a warning.

    Returns:
        What was booked, by payment.
    """
    booked = {}
    for reference, customer, amount in PAYMENTS:
        if amount < least:
            job.log("payment left out", "WARN", payment=reference, amount=amount, least=least)
            continue
        job.log("looking for the account", "DEBUG", payment=reference, customer=customer)
        booked[reference] = amount
        job.log("payment booked", payment=reference, customer=customer, amount=amount)
    job.log("all payments are done", booked=len(booked), left_out=len(PAYMENTS) - len(booked))
    return booked
