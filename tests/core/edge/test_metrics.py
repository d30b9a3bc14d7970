"""Numbers of all processes, of those that have ended too."""

import os
import subprocess
import sys

import pytest
from prometheus_client.parser import text_string_to_metric_families

from apps.core.edge import metrics

COUNT_ONE = """
import os
from prometheus_client import Histogram
h = Histogram("bv_test_seconds", "For tests.", ["route"], buckets=[1.0], registry=None)
h.labels("/x").observe(0.5)
"""


@pytest.fixture
def process(tmp_path):
    """Run a process that counts one observation and ends; returns its id."""

    def run():
        environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
        child = subprocess.Popen([sys.executable, "-c", COUNT_ONE], env=environment)
        assert child.wait() == 0
        return child.pid

    return run


def total(directory):
    text = metrics.exposition(directory).decode()
    samples = {
        sample.name: sample.value for family in text_string_to_metric_families(text) for sample in family.samples
    }
    return samples["bv_test_seconds_count"], samples["bv_test_seconds_sum"]


def test_processes_are_added_up(process, tmp_path):
    process()
    process()

    assert total(tmp_path) == (2.0, 1.0)


def test_files_of_ended_processes_are_folded_and_nothing_is_lost(process, tmp_path):
    process()
    before = total(tmp_path)
    process()

    assert (before, total(tmp_path)) == ((1.0, 0.5), (2.0, 1.0))
    assert [file.name for file in tmp_path.glob("*.db")] == ["histogram_ended.db"]


def test_files_are_folded_even_where_nobody_asks_for_the_numbers(process, tmp_path):
    process()
    process()

    metrics.fold_ended(tmp_path)

    assert [file.name for file in tmp_path.glob("*.db")] == ["histogram_ended.db"]


def test_the_file_of_a_living_process_is_left_alone(process, tmp_path):
    ended = process()
    (tmp_path / f"histogram_{ended}.db").rename(tmp_path / f"histogram_{os.getpid()}.db")

    assert total(tmp_path) == (1.0, 0.5)
    assert [file.name for file in tmp_path.glob("*.db")] == [f"histogram_{os.getpid()}.db"]


def test_a_claim_is_counted_by_how_long_its_job_waited(settings):
    metrics.observe_claim(0.3)
    metrics.observe_claim(-5.0)

    assert b"bv_job_claim_wait_seconds_bucket" in metrics.exposition(settings.METRICS_DIR)
