"""What every test can ask for."""

import pytest

from apps.core.actors import Actor

pytest_plugins = ["tests.streams_fixtures"]


@pytest.fixture
def system() -> Actor:
    """The system itself, which may do everything."""
    return Actor.system("test")
