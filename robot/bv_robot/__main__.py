"""``python -m bv_robot`` is ``bv-robot``, and so is the single executable, which is also its own supervisor."""

from __future__ import annotations

import os
import sys

from bv_robot import itself


def main() -> None:
    """Be what the command line asks for. A supervisor needs nothing of the commands, so it does not load them."""
    itself.undo_unpacking(os.environ)
    if itself.is_frozen() and sys.argv[1:2] == [itself.SUPERVISE]:
        from bv_robot import runner

        runner.main()
    else:
        from bv_robot import cli

        cli.main()


if __name__ == "__main__":
    main()
