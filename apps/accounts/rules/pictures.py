"""Pictures of people: drawn anew, so that nothing of the file that was sent is ever served."""

from __future__ import annotations

import io
import warnings
from typing import IO, Final

from PIL import Image, ImageOps, UnidentifiedImageError

from apps.core.errors import Invalid

LARGEST_FILE: Final = 2 * 1024 * 1024
CONTENT_TYPE: Final = "image/png"
#: Pixels of each side of what is kept, and of all that is sent: a small file can unpack to a very large picture.
SIDE: Final = 192
MOST_PIXELS: Final = 25_000_000
_FORMATS: Final = ("PNG", "JPEG")


def redrawn(file: IO[bytes]) -> bytes:
    """Return a square PNG of the picture in a file, without anything else that the file holds. Raises ``Invalid``."""
    data = file.read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise Invalid.field("file", "a picture has at most 2 MB.", code="too_large")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # Only the two that are named are ever tried; what is said of the file's kind by its sender counts nothing.
            with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
                return _drawn(picture)
    except UnidentifiedImageError as error:
        raise Invalid.field("file", "this is no PNG and no JPEG picture.", code="not_a_picture") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels() from error
    except (OSError, SyntaxError, ValueError) as error:
        raise Invalid.field("file", "this picture is broken.", code="not_a_picture") from error


def _drawn(picture: Image.Image) -> bytes:
    if picture.width * picture.height > MOST_PIXELS:
        raise _too_many_pixels()
    picture.draft("RGB", (SIDE * 2, SIDE * 2))
    upright = ImageOps.exif_transpose(picture)
    square = ImageOps.fit(upright.convert("RGBA"), (SIDE, SIDE))
    # A picture of its own: what was in the file beside its pixels stays behind.
    clean = Image.new("RGBA", (SIDE, SIDE))
    clean.paste(square)
    drawn = io.BytesIO()
    clean.save(drawn, "PNG", optimize=True)
    return drawn.getvalue()


def _too_many_pixels() -> Invalid:
    return Invalid.field("file", f"a picture has at most {MOST_PIXELS:,} pixels.", code="too_many_pixels")
