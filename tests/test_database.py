"""The database has what the models declare."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.db import connection

_NAMES = """
    SELECT indexname FROM pg_indexes WHERE schemaname = 'public'
    UNION SELECT conname FROM pg_constraint
"""


@pytest.mark.django_db
def test_every_declared_constraint_and_index_is_there():
    """Changing a foreign key can take a partial unique index over its column along without a word."""
    declared = {
        declaration.name
        for model in apps.get_models()
        if model._meta.managed
        for declaration in (*model._meta.constraints, *model._meta.indexes)
    }

    with connection.cursor() as cursor:
        cursor.execute(_NAMES)
        there = {name for (name,) in cursor.fetchall()}

    assert declared - there == set()
