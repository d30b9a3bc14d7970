"""Files for browsers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from whitenoise.middleware import WhiteNoiseMiddleware  # type: ignore[import-untyped]

#: From a packed file to its source.
MAPS: Final = (".map", ".map.gz", ".map.br")


class StaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc]  # the library has no types
    """Hands out the files that pages need, and none of those that only show how others were made."""

    def candidate_paths_for_url(self, url: str) -> Iterator[str]:
        """Yield where a file may lie; used where files are looked for at each request."""
        return iter(()) if url.endswith(MAPS) else super().candidate_paths_for_url(url)

    def add_file_to_dictionary(self, url: str, path: str, stat_cache: Any = None) -> None:
        """Know a file from now on, unless it is a map."""
        if not url.endswith(MAPS):
            super().add_file_to_dictionary(url, path, stat_cache=stat_cache)
