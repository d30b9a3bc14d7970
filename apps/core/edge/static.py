"""Files for browsers."""

from __future__ import annotations

from typing import Any

from whitenoise.middleware import WhiteNoiseMiddleware  # type: ignore[import-untyped]


class StaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc]  # the library has no types
    """Hands out the files that pages need, and none of those that only show how others were made."""

    def add_file_to_dictionary(self, url: str, path: str, stat_cache: Any = None) -> None:
        """Know a file from now on, unless it is a map from a packed file to its source."""
        if not url.endswith((".map", ".map.gz", ".map.br")):
            super().add_file_to_dictionary(url, path, stat_cache=stat_cache)
