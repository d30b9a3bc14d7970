"""For authors of automations: what a running job may ask of its robot and tell it.

Standard library only, from Python 3.8 on, so that it works in any job's environment. Outside a robot everything is
quiet: progress, artefacts and spans go nowhere, nothing is cancelled, there are no parameters and no items, and log
lines go to ``logging``. Only ``start``, ``take``, ``add`` and files of stores need an orchestrator, and say so.
"""

from bv_robot.job.artefacts import artefact
from bv_robot.job.channel import is_cancelled, log, parameters, progress
from bv_robot.job.children import Cancelled, ChildJob, start
from bv_robot.job.connection import NotConnected, OrchestratorError, Refused
from bv_robot.job.files import File, Files, store
from bv_robot.job.items import Item, add, items, take
from bv_robot.job.spans import Span, span

__all__ = [
    "Cancelled",
    "ChildJob",
    "File",
    "Files",
    "Item",
    "NotConnected",
    "OrchestratorError",
    "Refused",
    "Span",
    "add",
    "artefact",
    "is_cancelled",
    "items",
    "log",
    "parameters",
    "progress",
    "span",
    "start",
    "store",
    "take",
]
