"""Child jobs in the admin: the jobs that a job has started, and what a process says its jobs may use and start."""

from __future__ import annotations

import pytest

from apps.core.actors import Actor
from apps.jobs import services as jobs
from apps.jobs.admin import job_pages
from apps.jobs.models import Execution, Job
from apps.processes import services as processes
from apps.processes.models import Process
from apps.tenancy import services as tenancy
from tests import make
from tests.admin.visitors import new, page_of, superuser, text_of, with_permissions

pytestmark = pytest.mark.django_db


@pytest.fixture
def process():
    """A process whose jobs may start jobs of it."""
    made = make.process(name="Invoices")
    processes.update_process(made, actor=make.SYSTEM, may_start=[made])
    return made


@pytest.fixture
def parent(process):
    """A running job of it."""
    return make.running_job(process)


def child_of(execution: Execution, process: str = "Invoices") -> Job:
    actor = Actor.job(execution.pk, "parent", execution.tenant_id)
    return jobs.start_child(execution, actor=actor, process=process, wanted=jobs.Wanted(parameters={}))


def test_a_job_lists_those_it_has_started_and_each_leads_back(parent):
    first, second = child_of(parent), child_of(parent)
    jobs.cancel_job(second, actor=make.SYSTEM)
    visitor = superuser()

    shown = text_of(visitor.open(parent.job))

    assert "Jobs it has started" in shown
    assert shown.index(page_of(first)) < shown.index(page_of(second))
    assert page_of(parent.job) in text_of(visitor.open(first))


def test_a_job_that_has_started_none_has_no_such_list(parent):
    assert "Jobs it has started" not in text_of(superuser().open(parent.job))


def test_of_many_the_first_are_shown_and_the_page_says_so(parent, monkeypatch):
    monkeypatch.setattr(job_pages, "CHILDREN_SHOWN", 2)
    started = [child_of(parent) for _ in range(3)]

    shown = text_of(superuser().open(parent.job))

    assert "The first 2 jobs it has started" in shown
    assert [page_of(child) in shown for child in started] == [True, True, False]


def test_those_that_one_may_not_see_are_left_out(parent, process):
    hidden = tenancy.create_folder(process.tenant, actor=make.SYSTEM, name="Hidden")
    other = make.process(hidden, name="Secret")
    processes.update_process(process, actor=make.SYSTEM, may_start=[process, other])
    seen, unseen = child_of(parent), child_of(parent, "Secret")
    visitor = with_permissions("jobs.view_job", "processes.view_process", inside=process.folder)

    shown = text_of(visitor.open(parent.job))

    assert page_of(seen) in shown
    assert page_of(unseen) not in shown
    assert "Secret" not in shown
    assert visitor.open(unseen).status_code == 404


def test_the_list_takes_no_more_queries_for_more_children(parent, django_assert_max_num_queries):
    child_of(parent)
    visitor = superuser()
    visitor.open(parent.job)  # What is looked up once is known by now.
    with django_assert_max_num_queries(200) as one:
        visitor.open(parent.job)
    child_of(parent)
    child_of(parent)

    with django_assert_max_num_queries(len(one)):
        visitor.open(parent.job)


def form_of(process: Process, **changed: object) -> dict[str, object]:
    """The form of a process as a browser would send it back."""
    kept = {
        "name": process.name,
        "package": process.package_id,
        "version_policy": process.version_policy,
        "parameters": "{}",
        "priority": process.priority,
        "max_attempts": process.max_attempts,
        "backoff_base": process.backoff_base,
        "backoff_cap": process.backoff_cap,
        "on_lost": process.on_lost,
    }
    return kept | changed


def test_what_a_job_may_use_and_start_is_set_in_the_form(process):
    other = make.process(process.folder, name="Mails")
    limits = {"memory_limit": 512, "cpu_limit": 1.5, "niceness": 10}

    answer = superuser().do(process, "edit", **form_of(process, **limits, may_start=[other.pk]))

    process.refresh_from_db()
    assert answer.status_code == 302
    assert {name: getattr(process, name) for name in limits} == limits
    assert list(process.may_start.all()) == [other]


@pytest.mark.parametrize(("field", "wrong"), [("memory_limit", 0), ("cpu_limit", -1), ("niceness", 20)])
def test_a_limit_that_cannot_be_is_refused_at_its_field(process, field, wrong):
    answer = superuser().do(process, "edit", **form_of(process, **{field: wrong}))

    assert field in answer.context["form"].errors


def test_only_processes_of_the_tenant_that_one_sees_are_offered(process):
    hidden = tenancy.create_folder(process.tenant, actor=make.SYSTEM, name="Hidden")
    make.process(hidden, name="Secret")
    make.process(name="Foreign")
    may = ("processes.view_process", "processes.change_process", "processes.add_process")
    visitor = with_permissions(*may, inside=process.folder)

    forms = [visitor.get(page_of(process, "edit")), visitor.get(f"{new(Process)}?folder={process.folder_id}")]

    assert [[str(one) for one in form.context["form"].fields["may_start"].queryset] for form in forms] == [
        ["Invoices"],
        ["Invoices"],
    ]


def test_the_page_says_what_jobs_may_use_and_start(process):
    processes.update_process(process, actor=make.SYSTEM, memory_limit=512, niceness=10)

    shown = text_of(superuser().open(process))

    assert "512 MiB" in shown
    assert "Its jobs may start" in shown
