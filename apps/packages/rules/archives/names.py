"""What a file in a package may be called, so that it is one and the same file on every system.

A name is refused where any unpacker, file system or terminal could take it for another: paths that leave their folder,
characters that are invisible or change the direction of writing, names that Windows reserves or trims.
"""

import re
import unicodedata

from apps.packages.rules.limits import Limits
from apps.packages.rules.problems import shown

PUNCTUATION = " !#$%&'()+,-.=@[]^_`{}~"
_PLAIN = re.compile(r"[A-Za-z0-9 !#$%&'()+,\-.=@\[\]^_`{}~/]+")
_DEVICE = re.compile(r"con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$")
_DRIVE = re.compile(r"[A-Za-z]:")
# Letters and marks by their class, but drawn as nothing at all.
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")


def decoded(raw: bytes, is_utf8: bool) -> str:
    """Return the name that `raw` spells, or raise `ValueError` where readers could disagree about it."""
    try:
        return raw.decode("utf-8" if is_utf8 else "ascii")
    except UnicodeDecodeError as error:
        wanted = "valid UTF-8" if is_utf8 else "ASCII, or marked as UTF-8 in the archive"
        raise ValueError(f"File names must be {wanted}.") from error


def folded(name: str) -> str:
    """Return what `name` becomes where neither case nor the way accents are composed tells names apart."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def problem(name: str, limits: Limits) -> str:
    """Return what is wrong with the name of a file (or, ending in `/`, of a folder), or nothing."""
    path = name.removesuffix("/")
    return (
        _path_problem(path)
        or _size_problem(path, limits)
        or next(filter(None, map(_segment_problem, path.split("/"))), "")
        or _letters_problem(path)
    )


def _path_problem(path: str) -> str:
    if "\0" in path:
        return "File names must not contain a NUL character."
    if not path:
        return "File names must not be empty."
    if "\\" in path:
        return "File names must separate folders with '/', not with a backslash."
    if path.startswith("/") or _DRIVE.match(path):
        return "File names must be relative to the package, without a leading '/' or a drive."
    return ""


def _size_problem(path: str, limits: Limits) -> str:
    if len(path.encode("utf-8", "surrogatepass")) > limits.path_bytes:
        return f"File names must have at most {limits.path_bytes} bytes, folders included."
    if path.count("/") >= limits.depth:
        return f"Files must lie at most {limits.depth} levels deep."
    return ""


def _segment_problem(segment: str) -> str:
    if segment in {"", ".", ".."}:
        return "File names must not contain '..', '.' or an empty part."
    if segment[-1] in ". ":
        return "No part of a file name may end with a dot or a space: Windows cuts it off."
    if _DEVICE.fullmatch(segment.partition(".")[0].rstrip(" ").lower()):
        return f"'{segment}' is the name of a device on Windows; choose another."
    return ""


def _letters_problem(path: str) -> str:
    if _PLAIN.fullmatch(path):
        return ""
    if not unicodedata.is_normalized("NFC", path):
        return "File names must be in Unicode's composed form (NFC)."
    strange = next((char for char in path if not _is_safe(char)), None)
    if strange is None:
        return ""
    return (
        f"The character {_called(strange)} is not allowed in file names: use letters, digits and {PUNCTUATION.strip()}"
    )


def _is_safe(char: str) -> bool:
    if char == "/" or char in PUNCTUATION:
        return True
    return unicodedata.category(char)[0] in "LMN" and not _INVISIBLE.match(char)


def _called(char: str) -> str:
    return f"'{shown(char)}' ({unicodedata.name(char, f'U+{ord(char):04X}')})"
