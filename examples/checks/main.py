"""Checks of hosts and disks."""

import asyncio
import logging
import shutil

log = logging.getLogger("checks")


async def hosts(addresses: list[str], *, port: int = 443, patience: float = 2.0) -> dict[str, bool]:
    """See which hosts accept a connection, asking all of them at once.

    Args:
        addresses: Names or addresses of hosts.
        port: The TCP port that should be open.
        patience: Seconds to wait for each.

    Returns:
        Each address, and whether it answered.
    """
    answers = await asyncio.gather(*(answers_at(address, port, patience) for address in addresses))
    return dict(zip(addresses, answers, strict=True))


async def answers_at(address: str, port: int, patience: float) -> bool:
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(address, port), patience)
    except (TimeoutError, OSError) as error:
        log.warning("%s:%s does not answer: %s", address, port, error or "too slow")
        return False
    writer.close()
    log.info("%s:%s answers", address, port)
    return True


def disk(path: str = ".", *, free_percent: float = 5.0) -> dict[str, float | bool]:
    """See whether enough of a disk is free.

    Args:
        path: Any path on the disk in question.
        free_percent: How much must be free, in percent.
    """
    usage = shutil.disk_usage(path)
    free = 100 * usage.free / usage.total
    log.info("%.1f %% of the disk of %s is free", free, path)
    return {"free_percent": round(free, 1), "is_enough": free >= free_percent}
