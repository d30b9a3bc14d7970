"""What the end of an execution means for its job: pure rules."""

import pytest

from apps.jobs.rules.reports import RETRYABLE, End, JobFacts, Verdict, verdict

FRESH = {
    "is_cancelling": False,
    "stop_was_asked": False,
    "attempts_used": 1,
    "max_attempts": 3,
    "on_lost": "retry",
    "losses": 0,
    "robots_lost": 0,
}


def judged(end, reason="", **facts):
    return verdict(end, reason, JobFacts(**FRESH | facts))


def test_a_success_completes_the_job():
    assert judged(End.COMPLETED) == Verdict("completed")


def test_a_success_before_the_cancel_took_effect_is_kept_and_says_so():
    assert judged(End.COMPLETED, is_cancelling=True) == Verdict("completed", "finished_before_cancel")


def test_a_success_after_a_stop_is_a_success():
    assert judged(End.COMPLETED, stop_was_asked=True) == Verdict("completed")


@pytest.mark.parametrize("end", [End.FAILED, End.CANCELLED, End.LOST, End.RELEASED])
def test_whatever_else_ends_a_cancelling_job_cancels_it(end):
    assert judged(end, "application_error", is_cancelling=True) == Verdict("cancelled", "cancelled")


@pytest.mark.parametrize("is_cancelling", [True, False])
def test_taking_a_job_away_cancels_it_as_killed(is_cancelling):
    assert judged(End.REVOKED, "killed", is_cancelling=is_cancelling) == Verdict("cancelled", "killed")


def test_giving_a_job_back_puts_it_in_line_without_waiting():
    assert judged(End.RELEASED) == Verdict("pending")


@pytest.mark.parametrize("end", [End.CANCELLED, End.LOST, End.RELEASED])
def test_a_job_that_was_asked_to_stop_is_not_begun_again(end):
    assert judged(end, "lost", stop_was_asked=True) == Verdict("cancelled", "stopped")


def test_a_job_that_fails_while_it_stops_has_failed_for_good():
    assert judged(End.FAILED, "application_error", stop_was_asked=True) == Verdict("failed", "application_error")


def test_an_end_that_nobody_asked_for_is_a_failure():
    assert judged(End.CANCELLED) == Verdict("failed", "killed")


@pytest.mark.parametrize("reason", sorted(RETRYABLE))
def test_what_another_try_may_mend_is_tried_again_after_a_wait(reason):
    assert judged(End.FAILED, reason) == Verdict("pending", reason, backs_off=True)


@pytest.mark.parametrize("reason", ["business_error", "invalid_parameters", "killed"])
def test_what_another_try_cannot_mend_fails_at_once(reason):
    assert judged(End.FAILED, reason) == Verdict("failed", reason)


def test_the_last_attempt_fails_with_its_reason():
    assert judged(End.FAILED, "application_error", attempts_used=3) == Verdict("failed", "application_error")


def test_a_loss_is_tried_again_after_a_wait():
    assert judged(End.LOST, "lost", losses=1, robots_lost=1) == Verdict("pending", "lost", backs_off=True)


def test_a_loss_of_the_last_attempt_fails_the_job():
    assert judged(End.LOST, "lost", attempts_used=3) == Verdict("failed", "lost")


@pytest.mark.parametrize(("on_lost", "status"), [("hold", "waiting"), ("fail", "failed")])
def test_a_process_decides_what_a_loss_means(on_lost, status):
    assert judged(End.LOST, "lost", on_lost=on_lost, losses=1, robots_lost=1) == Verdict(status, "lost")


@pytest.mark.parametrize(("losses", "robots_lost"), [(2, 2), (3, 1)])
def test_a_job_that_took_two_robots_or_three_tries_with_it_is_poison(losses, robots_lost):
    assert judged(End.LOST, "lost", losses=losses, robots_lost=robots_lost) == Verdict("failed", "poison")


def test_two_losses_on_one_robot_are_not_yet_poison():
    assert judged(End.LOST, "lost", attempts_used=2, losses=2, robots_lost=1).status == "pending"


def test_poison_is_not_held_for_a_person_to_try_again():
    assert judged(End.LOST, "lost", on_lost="hold", losses=2, robots_lost=2) == Verdict("failed", "poison")
