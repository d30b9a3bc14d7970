"""Work for a while, and end well when asked to.

A robot asks in two ways. *Stop* leaves it to the job when to end: `job.is_cancelled()` becomes true. *Cancel* sends
SIGTERM, which arrives here as `SystemExit`, so that `finally` runs; some time later the job would be killed.
"""

import logging
import time
from pathlib import Path
from typing import Any

from bv_robot import job

log = logging.getLogger("long-run")
SCRATCH = Path("half-done.txt")  # in the job's working directory


def main(seconds: int = 60, tick: float = 1.0) -> dict[str, Any]:
    """Work for so many seconds, unless asked to end sooner.

    Args:
        seconds: How long to work.
        tick: Seconds between two looks at whether to end.
    """
    began = time.monotonic()
    SCRATCH.write_text("This file is there while the job works.\n", encoding="utf-8")
    log.info("Working for %s seconds", seconds)
    try:
        while (worked := time.monotonic() - began) < seconds and not job.is_cancelled():
            job.progress(100 * worked / seconds, "working", f"{worked:.0f} of {seconds} seconds")
            log.info("%.0f of %s seconds", worked, seconds)
            time.sleep(min(tick, seconds - worked))
    finally:
        SCRATCH.unlink()
        log.info("Everything is tidied up")
    return {"worked": round(min(worked, seconds), 1), "was_stopped": worked < seconds}
