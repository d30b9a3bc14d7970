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


@pytest.fixture(autouse=True)
def _django_set_urlconf(request):
    """Give a test the addresses it names, as the plugin's own of this name does, but forget no others.

    Each list of addresses is worked out once; the plugin has all of them worked out anew before and after each test.
    """
    from django.conf import settings
    from django.urls import set_urlconf

    marker = request.node.get_closest_marker("urls")
    if marker is None:
        yield
        return
    usual, settings.ROOT_URLCONF = settings.ROOT_URLCONF, marker.args[0]
    set_urlconf(None)
    yield
    settings.ROOT_URLCONF = usual
    set_urlconf(None)
