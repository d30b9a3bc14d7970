"""Reading the data of entries piece by piece: never more at once than a piece, nor in all than was announced."""

import time
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from apps.packages.rules.archives.entries import STORED, Entry

PACKED_PIECE = 64 * 1024
PIECE = 1024 * 1024


class Damaged(Exception):
    """The data of an entry is not what the archive says it is. `code` is for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Allowance:
    """Processor time that may still be spent on unpacking.

    Deflate data can be made so that each byte costs a hundred times what it costs in an honest file, with sizes and
    ratios that look harmless; only the time spent tells.
    """

    def __init__(self, seconds: float) -> None:
        self._until = time.thread_time() + seconds

    def check(self) -> None:
        """Raise `Damaged` once the time is used up."""
        if time.thread_time() > self._until:
            raise Damaged(
                "too_slow", "Unpacking takes too much processor time, as in a zip bomb. Store big files uncompressed."
            )


def pieces(file: BinaryIO, entry: Entry, allowance: Allowance) -> Iterator[bytes]:
    """Yield the unpacked data of `entry` in pieces of at most 1 MiB; raise `Damaged` where it is not as announced."""
    size, crc = 0, 0
    file.seek(entry.data_start)
    for piece in (_stored if entry.method == STORED else _inflated)(file, entry):
        allowance.check()
        size += len(piece)
        if size > entry.size:
            break
        crc = zlib.crc32(piece, crc)
        yield piece
    if size != entry.size:
        raise Damaged("size_lies", f"The file does not unpack to the {entry.size:,} bytes that the archive announces.")
    if crc != entry.crc:
        raise Damaged("crc", "The file's checksum is wrong: it was damaged on the way. Upload it again.")


def _stored(file: BinaryIO, entry: Entry) -> Iterator[bytes]:
    left = entry.packed_size
    while left and (piece := file.read(min(PIECE, left))):
        left -= len(piece)
        yield piece


def _inflated(file: BinaryIO, entry: Entry) -> Iterator[bytes]:
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    left = entry.packed_size
    while left and not engine.eof and (packed := file.read(min(PACKED_PIECE, left))):
        left -= len(packed)
        yield from _unpacked(engine, packed)
    if not engine.eof:
        yield from _unpacked(engine, b"")  # what the engine still holds back
    if not engine.eof or left or engine.unused_data:
        raise Damaged("damaged", "The file's packed data ends too early or too late. Build the package anew.")


def _unpacked(engine: "zlib._Decompress", packed: bytes) -> Iterator[bytes]:
    while True:
        try:
            piece = engine.decompress(packed, PIECE)
        except zlib.error as error:
            raise Damaged("damaged", f"The file's packed data is damaged ({error}). Build the package anew.") from error
        packed = engine.unconsumed_tail
        yield piece
        if engine.eof or not (packed or len(piece) == PIECE):
            return
