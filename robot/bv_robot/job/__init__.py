"""For authors of automations: what a running job may ask of its robot and tell it.

Standard library only, from Python 3.8 on, so that it works in any job's environment. Outside a robot everything is
quiet: progress, artefacts and spans go nowhere, nothing is cancelled, there are no parameters, and log lines go to
``logging``. Only ``start`` needs an orchestrator and says so.
"""

from bv_robot.job.artefacts import artefact
from bv_robot.job.channel import is_cancelled, log, parameters, progress
from bv_robot.job.children import Cancelled, ChildJob, start
from bv_robot.job.connection import NotConnected, OrchestratorError, Refused
from bv_robot.job.spans import Span, span

__all__ = [
    "Cancelled",
    "ChildJob",
    "NotConnected",
    "OrchestratorError",
    "Refused",
    "Span",
    "artefact",
    "is_cancelled",
    "log",
    "parameters",
    "progress",
    "span",
    "start",
]
