"""Items and files in the hands of a job's program, over bad connections too."""

import subprocess
import sys
from pathlib import Path

import bv_robot

from tests.robot.packages import package

ITEM = {
    "id": "0193f3a0-5b7e-7c1d-9d2a-4a3f0c9b1e22", "lease": "7f6f8f5e-8a8e-4f8a-9d5a-111111111111", "queue": "q",
    "reference": "INV-1", "payload": {"n": 1}, "priority": 3, "deadline": None, "attempt": 2,
}  # fmt: skip
SETTLES = """
    from bv_robot import job
    def main():
        item, = job.items()
        item.progress(50, step="reading")
        item.finish({"paid": True})
        return [item.id, item.payload, item.reference, item.attempt, item.is_over, job.items()[0] is item]
"""
WRITES = """
    from bv_robot import job
    def main():
        rates = job.store("Rates")
        rates.write("a.csv", b"1.08")
        return rates.read("a.csv").decode()
"""


def settled(server):
    return [(verb, body) for lease, verb, body in server.said_of_items if lease == ITEM["lease"]]


def test_a_job_settles_an_item_that_it_owns(done, shared_robot):
    server, _ = shared_robot

    job = done(SETTLES, queue_items=[ITEM])

    assert job.report["result"] == [ITEM["id"], {"n": 1}, "INV-1", 2, True, True]
    assert settled(server) == [
        ("renew", {"progress": {"percent": 50, "step": "reading"}}),
        ("finish", {"status": "done", "result": {"paid": True}}),
    ]


def test_a_job_without_items_has_none(done):
    assert done("from bv_robot import job\ndef main():\n    return job.items()").report["result"] == []


def test_a_script_finds_its_items_in_a_file(done):
    source = """
        import json, os
        def main():
            return json.load(open(os.environ["BV_JOB_ITEMS_FILE"]))["items"]
    """

    assert done(source, queue_items=[ITEM]).report["result"] == [ITEM]


def test_a_report_and_a_file_are_sent_again_where_the_connection_breaks(server, start_robot):
    server.faults.drop_reply("item")
    server.faults.answer("file", 503)
    server.faults.drop_reply("file")
    source = WRITES + "\n    first = main\n    def main():\n        job.items()[0].finish()\n        return first()\n"
    job = server.add_job(server.add_package(package(source)), queue_items=[ITEM])

    start_robot()

    assert server.wait_for_end(job).report["result"] == "1.08"
    assert settled(server) == [("finish", {"status": "done", "result": None})] * 2
    assert server.stored == {"a.csv": b"1.08"}


def test_a_file_that_is_changed_on_its_way_is_fetched_again(server, start_robot):
    server.stored["a.csv"] = b"1.08"
    server.faults.change("file", b"1.0")
    source = """
        from bv_robot import job
        def main(folder):
            store = job.store("Rates")
            store.save("a.csv", folder + "/a.csv")
            return open(folder + "/a.csv").read()
    """
    job = server.add_job(server.add_package(package(source)), parameters={"folder": "."})

    start_robot()

    assert server.wait_for_end(job).report["result"] == "1.08"
    assert len(server.calls("file")) == 2


def test_what_is_refused_says_so(done):
    source = """
        from bv_robot import job
        def main():
            try:
                job.store("Rates").read("nothing")
            except job.Refused as error:
                return [error.status, error.code]
    """

    assert done(source).report["result"] == [404, "unknown_file"]


def test_outside_a_robot_there_are_no_items_and_a_store_says_why():
    source = """
from bv_robot import job
try:
    job.store("Rates").read("a")
except job.NotConnected as error:
    print(job.items(), error)
"""
    sources = str(Path(bv_robot.__file__).parents[1])

    said = subprocess.run(
        [sys.executable, "-c", source], env={"PYTHONPATH": sources}, capture_output=True, text=True, check=True
    ).stdout

    assert said.startswith("[] Only a job's own process")
