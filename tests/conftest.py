"""What every test can ask for."""

import hypothesis
import pytest

from apps.core.actors import Actor

# The same examples in every run: what chance finds is a matter for a run by hand, not for a gate.
hypothesis.settings.register_profile("gate", derandomize=True, deadline=None)
hypothesis.settings.load_profile("gate")

pytest_plugins = ["tests.shelves", "tests.streams_fixtures"]


@pytest.fixture
def system() -> Actor:
    """The system itself, which may do everything."""
    return Actor.system("test")
