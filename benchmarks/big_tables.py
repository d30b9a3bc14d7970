"""How fast the API reads and changes big tables, and by which plans.

.venv/bin/python -m benchmarks.big_tables --rows 1000000

Fills a database of its own (``bench_big_tables_<rows>``, kept for the next run) with that many ended jobs in three
tenants, thousands of waiting ones and a thousand robots, then calls the API as five kinds of callers. A sequential scan
of a big table is marked. Figures depend on the machine.
"""

from __future__ import annotations

import argparse
import os
from contextlib import nullcontext

import django

from orchestrator.embedded.sharing import servers_for_command


def main() -> None:
    asked = argparse.ArgumentParser(prog="benchmarks.big_tables", description=__doc__)
    asked.add_argument("--rows", type=int, default=1_000_000)
    rows = asked.parse_args().rows
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "orchestrator.settings",
        "LOG_LEVEL": "ERROR",
        "ALLOWED_HOSTS": "testserver",
    }
    django.setup()
    from django.conf import settings

    with servers_for_command(settings.DATA_DIR) if settings.IS_EMBEDDED else nullcontext():
        _measure(rows)


def _measure(rows: int) -> None:
    from django.db import connection

    from benchmarks import reading  # needs Django

    connection.settings_dict["TEST"]["NAME"] = f"bench_big_tables_{rows}"
    connection.creation.create_test_db(verbosity=0, keepdb=True, serialize=False)
    if not reading.is_filled():
        print(f"Filling with {rows} jobs …", flush=True)
        reading.fill(rows)
    for line in (*reading.whys(), *reading.bulks(), *reading.lists()):
        print(line, flush=True)


if __name__ == "__main__":
    main()
