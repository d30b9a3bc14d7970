"""How big, how deep and how many: every number the rules of packages know."""

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of one package. Sizes are bytes; the defaults are what production should keep.

    The bounds on text and sources are what holds the memory of one validation below 200 MiB: a parsed Python file
    takes up to two thousand bytes for each word and sign in it.
    """

    packed_bytes: int = 100 * MIB
    unpacked_bytes: int = 500 * MIB
    entries: int = 10_000
    ratio: int = 100  # unpacked over packed, the archive as a whole
    entry_ratio: int = 200  # the same for any single entry
    path_bytes: int = 200  # of one name, in UTF-8
    depth: int = 20  # segments in one name
    directory_bytes: int = 4 * MIB  # the ZIP's own table of contents
    cpu_seconds: float = 1.5  # of processor time to unpack everything; raise it on a slow machine

    manifest_bytes: int = 256 * KIB  # bvproject.yaml, entry-points.json, manifest.json: each
    manifest_nodes: int = 5_000  # values in one of these
    manifest_depth: int = 20
    lock_bytes: int = 2 * MIB
    entrypoints: int = 100

    source_bytes: int = 512 * KIB  # one Python file that has to be parsed
    source_tokens: int = 50_000  # words and signs in it: some 7,000 lines
    all_source_bytes: int = 2 * MIB  # all Python files parsed for one package
    all_source_tokens: int = 100_000
    parameters: int = 200  # of one entrypoint
    schema_bytes: int = 256 * KIB  # the schema of one entrypoint, as JSON
    schema_nodes: int = 1_000  # types described in the schema of one entrypoint
    all_schema_nodes: int = 5_000  # the same for all entrypoints of one package
    schema_depth: int = 40  # types within types

    problems: int = 100  # listed, of errors and of warnings each; the rest is counted


DEFAULT = Limits()
