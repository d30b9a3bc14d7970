"""Leave files beside the result: a table that was written to the disk, and a picture that never was."""

import csv
import struct
import zlib
from collections import Counter
from pathlib import Path

from bv_robot import job

BAR, GAP, HEIGHT = 24, 8, 120


def main(text: str = "the cat and the dog and the bird") -> dict[str, int]:
    """Count the words of a text.

    Args:
        text: Any text; words are what white space separates.

    Returns:
        How often each word occurs, the most frequent first.
    """
    counts = dict(Counter(text.lower().split()).most_common())
    table = Path("words.csv")
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("word", "count"), *counts.items()])
    job.artefact(table)
    job.artefact(picture_of(list(counts.values())), name="words.png")
    return counts


def picture_of(values: list[int]) -> bytes:
    """Draw bars, dark on white, as a PNG."""
    width = max(1, len(values)) * (BAR + GAP) + GAP
    heights = [round(value / max(values) * (HEIGHT - GAP)) for value in values]
    rows = b"".join(b"\0" + bytes(row_of(heights, HEIGHT - y, width)) for y in range(HEIGHT))
    header = struct.pack(">IIBBBBB", width, HEIGHT, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in chunks)


def row_of(heights: list[int], level: int, width: int) -> bytearray:
    """One row of pixels: dark where a bar reaches this high."""
    row = bytearray(b"\xff" * width)
    for number, height in enumerate(heights):
        if height >= level:
            start = GAP + number * (BAR + GAP)
            row[start : start + BAR] = b"\x40" * BAR
    return row


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
