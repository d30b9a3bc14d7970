"""Items that a job owns, items that it takes, and files: a real robot hands them on to its program."""

from __future__ import annotations

import json
from textwrap import dedent

import pytest

from apps.queues import services as queues
from apps.queues.models import ItemFile, QueueItem, StoredFile
from tests import make
from tests.flows import Flow

WORKS = """
    from bv_robot import job

    def main():
        first, second, third = job.items()
        first.progress(50, step="reading")
        text = first.files.read("in.txt").decode()
        first.files.write("out.txt", text.upper().encode())
        first.finish({"read": text})
        second.fail("It has no number.", code="no_number", business=True)
        return [[one.payload, one.reference, one.attempt, one.is_over] for one in (first, second, third)]
"""
TAKES = """
    from bv_robot import job

    def main():
        added = job.add("Parcels", {"n": 2}, reference="P-2", priority=5)
        best, = job.take("parcels")
        job.take("parcels")[0].release()
        best.abandon("Not ours.")
        return [added == best.id, best.payload, job.take("parcels", 5)[0].payload, job.items()]
"""
READS_AND_WRITES = """
    from bv_robot import job

    def main(folder):
        rates, path = job.store("Rates"), folder + "/rates.csv"
        with open("rates.csv", "wb") as file:
            file.write(b"EUR;1.08")
        made = rates.write("2026/März.csv", "rates.csv", if_new=True)
        again = refused(lambda: rates.write("2026/März.csv", b"x", if_new=True))
        newer = rates.write("2026/März.csv", b"EUR;1.09" * 100_000, if_sha256=made.sha256)
        lost = refused(lambda: rates.delete("2026/März.csv", if_sha256=made.sha256))
        rates.save("2026/März.csv", path)
        rates.write("old.txt", b"old")
        rates.delete("old.txt")
        gone = refused(lambda: rates.read("old.txt"))
        listed = [[one.name, one.size, one.content_type] for one in rates.list("2026/")]
        with open(path, "rb") as file:
            return [listed, file.read() == b"EUR;1.09" * 100_000, again, lost, gone, newer.sha256]

    def refused(act):
        try:
            act()
        except job.Refused as refusal:
            return [refusal.status, refusal.code]
"""


@pytest.fixture(scope="module")
def robot(flow: Flow):
    """A robot with one slot."""
    return flow.robot()


def ended(flow: Flow, process: str, **wanted) -> dict:
    """The job once it is completed."""
    job = flow.wait(flow.run(process, **wanted))
    assert job["status"] == "completed", json.dumps(job["error"])
    return job


def test_a_job_works_on_the_items_that_it_owns(flow, robot):
    queue = make.queue(flow.folder, name="Invoices", max_attempts=3)
    items = [make.item(queue, payload={"n": n}, reference=f"INV-{n}", priority=-n) for n in (1, 2, 3)]
    make.item_file(items[0], b"the invoice", name="in.txt")

    job = ended(flow, flow.process(dedent(WORKS)), queue_item_ids=[str(item.pk) for item in items])

    ends = (
        QueueItem.objects.filter(queue=queue).order_by("id").values_list("status", "result", "error_code", "progress")
    )
    assert [one[2:] for one in ends] == [("", {"percent": 50, "step": "reading"}), ("no_number", None), ("", None)]
    assert [one[:2] for one in ends] == [("done", {"read": "the invoice"}), ("failed", None), ("done", None)]
    assert job["result"] == [[{"n": n}, f"INV-{n}", 1, n != 3] for n in (1, 2, 3)]
    with queues.FILES.open(ItemFile.objects.get(name="out.txt")) as file:
        assert file.read() == b"THE INVOICE"


def test_a_job_adds_and_takes_items(flow, robot):
    queue = make.queue(flow.folder, name="Parcels")
    make.item(queue, payload={"n": 1})

    job = ended(flow, flow.process(dedent(TAKES)))

    assert job["result"] == [True, {"n": 2}, {"n": 1}, []]
    assert list(QueueItem.objects.filter(queue=queue).order_by("id").values_list("status", flat=True)) == [
        "new",  # What it took and said nothing of is free again with its end.
        "abandoned",
    ]


def test_a_job_reads_and_writes_a_store_by_name(flow, robot, tmp_path):
    make.file_store(flow.folder, name="Rates")

    job = ended(flow, flow.process(dedent(READS_AND_WRITES)), parameters={"folder": str(tmp_path)})

    kept = StoredFile.objects.get()
    listed, is_same, again, lost, gone, sha256 = job["result"]
    assert listed == [["2026/März.csv", 800_000, "text/csv"]]
    assert (is_same, sha256) == (True, kept.sha256)
    assert (again, lost, gone) == ([412, "outdated"], [412, "outdated"], [404, "unknown_file"])
