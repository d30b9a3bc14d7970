"""``python -m bv_robot`` is ``bv-robot``."""

from bv_robot import cli

cli.main()
