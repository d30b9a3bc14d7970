"""Archives and texts made to hurt: small to send, dear to look at."""

from __future__ import annotations

import zlib
from pathlib import Path

from apps.packages.rules.limits import KIB, MIB
from tests.packages.rules import zips
from tests.packages.rules.zips import Member

PROJECT = Member(name=b"bvproject.yaml", data=zips.PROJECT.encode())
LOCK = Member(name=b"requirements.lock", data=b"", method=0)
GOOD = (PROJECT, Member(), LOCK)


def repeated(piece: bytes, times: int) -> tuple[bytes, int, int]:
    """Return deflated data, size and CRC of `piece` many times over, without ever holding the whole."""
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = engine.compress(piece) + engine.flush(zlib.Z_FULL_FLUSH)
    crc = 0
    for _ in range(times):
        crc = zlib.crc32(piece, crc)
    return block * times + engine.flush(), len(piece) * times, crc


def entry(name: bytes, piece: bytes, times: int, **lies: int) -> Member:
    """Return an entry of `piece` many times over; `lies` replace what both headers say of it."""
    packed, size, crc = repeated(piece, times)
    facts = {"size": size, "crc": crc} | lies
    return Member(name=name, data=b"", packed=packed, central=facts, local=facts)


def plain_bomb() -> bytes:
    """Half a megabyte that unpacks to 480 MiB, and says so."""
    return zips.archive(*GOOD, entry(b"bomb", bytes(MIB), 480))


def lying_bomb() -> bytes:
    """Half a megabyte that unpacks to 480 MiB, and says it was ten thousand bytes."""
    return zips.archive(*GOOD, entry(b"bomb", bytes(MIB), 480, size=10_000, crc=zlib.crc32(bytes(10_000))))


def nested_bomb() -> bytes:
    return zips.archive(*GOOD, Member(name=b"inner.zip", data=plain_bomb(), method=0))


# Eight deflate blocks, each of which makes the engine build its tables anew for sixteen letters.
SLOW_BLOCKS = bytes.fromhex(
    "04c08100000000009056ff13000024000e040000000080b4fa9f0000200170200000000000a4d5ff0400000980030100"
    "00000020adfe27000048001c08000000000069f53f01004002e040000000000048abff0900001200070200000000405a"
    "fd4f0000900038100000000000d2ea7f020080"
)


def slow_bomb(megabytes: int) -> bytes:
    """Data with harmless sizes and ratio that takes twenty times longer to unpack than honest data."""
    times = megabytes * MIB // len(SLOW_BLOCKS)
    data = zlib.decompressobj(-15).decompress(SLOW_BLOCKS)
    crc = 0
    for _ in range(times):
        crc = zlib.crc32(data, crc)
    packed = SLOW_BLOCKS * times + b"\1\0\0\xff\xff"
    facts = {"size": len(data) * times, "crc": crc}
    return zips.archive(*GOOD, Member(name=b"slow", data=b"", packed=packed, central=facts, local=facts))


def overlapping_bomb() -> bytes:
    """Nine thousand entries over the same megabyte."""
    kernel = entry(b"kernel", bytes(range(256)) * 256, 16)
    body = zips.local_header(kernel) + kernel.content()
    record = zips.central_record(kernel, 0)
    directory = b"".join(record.replace(b"kernel", b"k%05d" % number) for number in range(9_000))
    return body + directory + zips.end_record(9_000, len(directory), len(body))


def crowd(count: int) -> bytes:
    """Very many empty entries."""
    members = [Member(name=b"%d/%d" % (number % 100, number), data=b"", method=0) for number in range(count)]
    body = b"".join(map(zips.local_header, members))
    length = [0]
    for member in members:
        length.append(length[-1] + 30 + len(member.name))
    directory = b"".join(zips.central_record(member, offset) for member, offset in zip(members, length, strict=False))
    return body + directory + zips.end_record(min(count, 0xFFFF), len(directory), len(body))


def bad_crowd() -> bytes:
    """Ten thousand entries, each of them wrong in many ways."""
    deep = b"\xc3\xa9/" * 19
    return zips.archive(
        *(
            Member(name=deep + b"%d:\xc3\xa9" % number, flags=0x0811, method=99, mode=0o120777)
            for number in range(10_000)
        )
    )


def project_of(text: str) -> bytes:
    return zips.archive(Member(name=b"bvproject.yaml", data=text.encode(), method=0), Member(), LOCK)


def yaml_bomb() -> bytes:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 10)}]" for number in range(1, 12)]
    return project_of("\n".join(lines))


def yaml_crowd() -> bytes:
    return project_of("project:\n" + "".join(f"  k{number}: {{a: [1, 2]}}\n" for number in range(9_000)))


def source_of(text: str) -> bytes:
    return zips.archive(PROJECT, Member(data=text.encode(), method=0), LOCK)


def dense_source() -> bytes:
    """As much syntax as fits into what is parsed."""
    return source_of("def run(): ...\n" + "a\n" * 49_000)


def multiplying_types() -> bytes:
    aliases = "\n".join(f"A{number} = dict[A{number + 1}, A{number + 1}]" for number in range(500))
    return source_of(f"{aliases}\nA500 = int\ndef run(a: A0, b: A0, c: A0): ...")


def star_circle() -> bytes:
    """Modules that all import everything from one another."""
    names = [f"m{number}" for number in range(40)]
    stars = "\n".join(f"from {name} import *" for name in names)
    modules = [Member(name=f"{name}.py".encode(), data=stars.encode()) for name in names]
    source = f"{stars}\ndef run(a: Missing, b: Missing2): ..."
    return zips.archive(PROJECT, Member(data=source.encode()), LOCK, *modules)


def big_and_legal() -> bytes:
    """The dearest package that is in order: as big as it may be, unpacked, and badly packed."""
    words = b" ".join(b"%x" % (number * 2654435761 % 2**31) for number in range(100_000))
    piece = words[: 350 * KIB] + b"".join(b"%d;" % (number % 1000) for number in range(180_000))[: 674 * KIB]
    return zips.archive(*GOOD, *(entry(b"data%d" % number, piece, 97) for number in range(5)))


BOMBS = {
    "plain": (plain_bomb, ["ratio"]),
    "lying": (lying_bomb, ["size_lies"]),
    "nested": (nested_bomb, []),
    "overlapping": (overlapping_bomb, ["missing_file", "overlap"]),
    "100,000 entries": (lambda: crowd(100_000), ["too_many_entries"]),
    "10,000 bad entries": (bad_crowd, ["unsafe_name", "more_problems"]),
    "yaml": (yaml_bomb, ["yaml_anchor"]),
    "yaml crowd": (yaml_crowd, ["too_complex"]),
    "dense source": (dense_source, []),
    "multiplying types": (multiplying_types, []),
    "star circle": (star_circle, []),
    "10,000 entries": (lambda: crowd(10_000), ["missing_file"]),
    "slow": (lambda: slow_bomb(1), []),
}


def write(name: str, path: Path) -> list[str]:
    """Write a bomb to `path` and return the codes of the problems it may have."""
    make, codes = BOMBS[name]
    path.write_bytes(make())
    return codes
