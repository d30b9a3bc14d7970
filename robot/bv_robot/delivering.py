"""The loop of one result: offer it until the server has answered for good."""

from __future__ import annotations

import logging
import threading
from typing import Any

from bv_robot import api, client, results
from bv_robot.desk import Desk
from bv_robot.results import Report
from bv_robot.spool import CorruptRecord, ExecutionFiles
from bv_robot.uploading import Uploading

log = logging.getLogger("bv_robot")

SENT_BEFORE = 1024 * 1024
"""Bytes of log that are sent before the result; with more, the result goes first and the log follows."""


def deliver(desk: Desk, files: ExecutionFiles, uploading: Uploading, offered: threading.Event) -> None:
    """Bring a result to the server, however long that takes. ``offered`` is set after the first try.

    Every answer that is final is written down, so that the record is not offered again after a restart.
    """
    backoff = client.Backoff()
    while not desk.ended.is_set() and (report := files.result()) is not None:
        try:
            answer = _answer_to(desk, files, report, uploading)
        except client.Trouble as trouble:
            log.warning("The result of job %s waits: %s", report["job"], trouble)
            offered.set()
            desk.rest(backoff.pause(trouble))
            continue
        if answer is not None:
            files.write_delivery(answer, epoch=desk.epoch)
            log.info("job %s: %s; the orchestrator says %s", report["job"], _in_words(report), answer)
            return


def _in_words(report: Report) -> str:
    """How a job ended, without what its author's code said: that is in the job's own log."""
    kind = (report.get("error") or {}).get("type")
    return f"{report['outcome']} ({kind})" if kind else str(report["outcome"])


def look_back(desk: Desk) -> None:
    """Offer the results of earlier epochs again whenever that is asked for, until the process ends.

    A server that lost its last commits needs them; one that did not knows them again. One after the other: there may
    be thousands.
    """
    while desk.look_back.wait():
        desk.look_back.clear()
        for files in desk.spool.executions():
            _offer_again(desk, files)


def _offer_again(desk: Desk, files: ExecutionFiles) -> None:
    try:
        delivery = files.delivery()
        if delivery and delivery["epoch"] < desk.epoch and (report := files.result()) is not None:
            deliver(desk, files, Uploading(desk, report["lease"], files.log), threading.Event())
    except (CorruptRecord, KeyError) as damage:
        desk.put_aside(files, str(damage))
    except OSError as error:
        log.error("The result in %s could not be offered again: %s", files.directory.name, error)


def _answer_to(desk: Desk, files: ExecutionFiles, report: Report, uploading: Uploading) -> str | None:
    """Offer a report once and return the final answer, or None where there will be none to this wording.

    Raises:
        Trouble: when it is to be tried again: no answer, a failing server, or a robot that must sign in first.
    """
    job = report["job"]
    try:
        return _offer(desk, report, uploading)
    except client.Conflict as conflict:
        log.warning("The result of job %s is kept aside by the orchestrator: %s", job, conflict)
        return conflict.code
    except client.Unknown as unknown:
        desk.put_aside(files, f"the orchestrator does not know job {job}: {unknown}")
    except (client.NotSignedIn, client.Forbidden):
        raise
    except client.Refusal as refusal:
        log.error("The orchestrator refuses the report of job %s: %s", job, refusal)
        if report.get("reworded"):
            desk.put_aside(files, f"the orchestrator refuses the report of job {job} in any wording: {refusal}")
        else:
            files.write_result(results.refused(report, str(refusal)) | {"reworded": True})
    return None


def _offer(desk: Desk, report: Report, uploading: Uploading) -> str:
    """One round of offering: what is small of the log, the result, and the log where it is owed."""
    if uploading.unsent() <= SENT_BEFORE:
        uploading.send()
    answer = _finish(desk, report)
    if answer["answer"] != "send_log":
        return str(answer["answer"])
    uploading.continue_from(int(answer["offset"]))
    uploading.send()
    answer = _finish(desk, report)
    if answer["answer"] == "send_log":
        if uploading.is_refused:
            return "accepted_without_log"
        raise client.ServerTrouble("part of the log is still owed", status=503)
    return str(answer["answer"])


def _finish(desk: Desk, report: Report) -> dict[str, Any]:
    body = {name: value for name, value in report.items() if name not in {"lease", "reworded"}}
    return api.finish(desk.http, report["lease"], body)
