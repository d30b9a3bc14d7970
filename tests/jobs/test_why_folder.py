"""A robot that does not work for a job's folder."""

import pytest

from apps.jobs.models.why import why_job
from apps.tenancy import services as tenancy
from tests import make

pytestmark = pytest.mark.django_db


def test_the_folder_a_robot_does_not_work_for_is_named():
    job = make.job()
    elsewhere = tenancy.create_folder(job.tenant, actor=make.SYSTEM, name="Elsewhere")
    make.session(make.robot(of=job.tenant, folders=[elsewhere]))

    why = why_job(job)

    assert why.robots[0].obstacles[0].says == f"it does not work for the folder {job.folder.name}"
