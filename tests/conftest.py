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


@pytest.fixture(autouse=True)
def _settings_read_anew():
    """Let no test go by settings that another has read."""
    from apps.configuration.models import forget_read  # needs Django's settings

    forget_read()
