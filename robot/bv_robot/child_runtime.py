"""Tells the ``bv.runtime`` of a package which job it speaks for.

Run by its path from ``child.py``, so the same holds: standard library only, and nothing newer than Python 3.8.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import sys
from typing import Any


def introduce(token: str | None, facts: dict[str, Any] | None) -> None:
    """Have the ``bv.runtime`` that the package brings speak for this job, whichever generation it is.

    Where there is none, nothing is set: the token shall lie where no program that the job starts looks.
    """
    if not (token and facts) or importlib.util.find_spec("bv") is None:
        return
    try:
        set_runtime_context = importlib.import_module("bv.runtime.context").set_runtime_context
    except (ImportError, AttributeError):
        introduce_by_environment(token, facts)
        return
    try:
        set_runtime_context(
            base_url=facts["base_url"],
            robot_token=token,
            execution_id=facts["execution"],
            robot_name=facts["robot"],
            machine_name=facts["machine"],
            tenant_id=facts["tenant"],
            folder_id=facts["folder"],
            project_type=facts["project_type"],
        )
    except (TypeError, ValueError) as error:
        logging.getLogger("bv_robot").warning("The installed bv.runtime cannot be told who this job is: %s", error)


def introduce_by_environment(token: str, facts: dict[str, Any]) -> None:
    """For runtimes that read variables, maybe on import. Only this process and those it starts have them."""
    os.environ.update(
        BV_ORCHESTRATOR_URL=facts["url"],
        BV_ROBOT_TOKEN=token,
        BV_ROBOT_NAME=facts["robot"],
        BV_MACHINE_NAME=facts["machine"],
        BV_JOB_EXECUTION_ID=facts["execution"],
        BV_SDK_RUN="1",
    )
    for name in [name for name in sys.modules if name.partition(".")[0] == "bv"]:
        del sys.modules[name]
