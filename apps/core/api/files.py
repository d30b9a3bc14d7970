"""Handing out files that others brought."""

from __future__ import annotations

from typing import IO, Final

from django.http import FileResponse

#: No page of ours is ever made of such a file, whatever a browser takes it for.
_SAFE_HEADERS: Final = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"}


def attachment(file: IO[bytes], *, name: str, content_type: str, sha256: str) -> FileResponse:
    """Answer with a file as something to save and never to show, read piece by piece and closed at the end."""
    headers = {**_SAFE_HEADERS, "ETag": f'"{sha256}"', "X-Content-SHA256": sha256}
    return FileResponse(file, as_attachment=True, filename=name, content_type=content_type, headers=headers)
