"""PostgreSQL stops as in a crash while robots work: nothing that was acknowledged is lost, nothing is done twice."""

from __future__ import annotations

from tests.faults.proxy import Fault


def test_stopped_under_load_everything_is_done_once(ground):
    process = ground.process(max_attempts=5, backoff_base=1, backoff_cap=1)
    for _ in range(3):
        ground.robot(slots=2, work=lambda: 0.3)
    jobs = ground.run(process, 10)

    for _ in range(2):
        ground.plant.stop_database_at_once()
        jobs += ground.run(process, 5)

    assert set(ground.drain().values()) == {"completed"}
    assert ground.log.count("created") == len(jobs) == 20


def test_its_absence_is_not_blamed_on_robots(ground):
    process = ground.process(max_attempts=1)
    robot = ground.robot(work=lambda: 3.0)
    [job] = ground.run(process)
    ground.until(lambda: ground.log.count("ran", robot=robot.id))

    ground.plant.stop_database_at_once()
    ground.plant.wait_ready("postgres")

    assert ground.drain()[job] == "completed"
    assert ground.log.count("ran", robot=robot.id) == 1


def test_stopped_between_the_end_of_a_job_and_its_answer_the_report_counts_once(ground, proxy):
    robot = ground.robot(url=proxy.url)
    proxy.once(Fault.LOSE_REPLY, "/finish")
    [job] = ground.run(ground.process())
    ground.until(lambda: proxy.seen[Fault.LOSE_REPLY])

    ground.plant.stop_database_at_once()

    assert ground.drain()[job] == "completed"
    assert ground.log.count("told", robot=robot.id, answer="duplicate") == 1
