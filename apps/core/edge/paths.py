"""Which addresses belong to programs, and so are answered in JSON and never redirected."""

from __future__ import annotations

import re

# ``/<tenant>/orchestrator_`` is where released clients look for a tenant's API; some put more in front.
_API = re.compile(r"/(?:api|health|metrics)(?:/|\Z)|(?!/admin/)(?:/[^/]+)+/orchestrator_(?:/|\Z)")


def is_api_path(path: str) -> bool:
    """Say whether a path is part of a programming interface rather than a page."""
    return _API.match(path) is not None
