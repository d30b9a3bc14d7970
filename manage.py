#!/usr/bin/env python3
"""The one command: sets its environment up, then runs a management command. Try: python3 manage.py help."""

import sys

OLDEST_PYTHON = (3, 11)
# These need no Django in their own process: they start other processes, which do.
WITHOUT_DJANGO = ("up", "demo", "test", "check_all", "role", "web", "live", "worker", "beat")


def main():
    # No newer syntax in this file: an old Python must be able to read it and say so.
    if sys.version_info < OLDEST_PYTHON:
        found = ".".join(str(number) for number in sys.version_info[:3])
        sys.exit(f"BV Orchestrator needs Python 3.11 or newer; this is {found} ({sys.executable}).")

    from orchestrator import bootstrap

    bootstrap.ensure_environment(sys.argv)

    from orchestrator import commands

    commands.run(sys.argv, without_django=WITHOUT_DJANGO)


if __name__ == "__main__":
    main()
