"""Visible characters of a text, and where a text may be cut."""

import re
import unicodedata
from collections.abc import Callable, Iterator

ELLIPSIS = "…"
PILE = 32
"""Code points of one cluster that a cut text keeps. The longest emoji have fewer. Unicode's
Stream-Safe Text Format (UAX #15) allows 30 marks in a row."""

# Default_Ignorable_Code_Point of Unicode's DerivedCoreProperties. Unassigned characters are in it,
# so it need not follow each version.
_IGNORABLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# Symbols and letters with an empty glyph: Unicode has no property for them.
_EMPTY = "\u2800\ufffc\U00013441\U00013442\U0001d159"
# Characters that join letters and emoji, or select a variant: the ignorable characters that names
# need.
_JOINING = "\u180b-\u180d\u180f\u200c\u200d\ufe00-\ufe0f\U000e0020-\U000e007f\U000e0100-\U000e01ef"
_NONCHARACTERS = "\ufdd0-\ufdef" + "".join(
    f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000)
)
# C0 and C1 controls except tab, line feed and carriage return: stores and screens do not handle
# them.
_CONTROLS = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"

_UNPRINTABLE = re.compile(f"[{_CONTROLS}{_NONCHARACTERS}\ud800-\udfff]")
_UNSEEN = re.compile(f"[{_IGNORABLE}{_EMPTY}]")
_HIDDEN = re.compile(
    f"(?![{_JOINING}])[{_IGNORABLE}{_EMPTY}{_NONCHARACTERS}\x00-\x1f\x7f-\x9f\u2028\u2029"
    "\ud800-\udfff\ue000-\uf8ff\U000f0000-\U0010ffff]"
)
# Joiners without anything to join, and tags without a flag: they are invisible.
_STRAY = re.compile(
    "^[\u200c\u200d]|[\u200c\u200d]$|(?<=[A-Za-z\u00c0-\u052f\u200c\u200d])[\u200c\u200d]"
    "|(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0020-\U000e007f]"
)
_BLANK = re.compile(f"[\u115f\u1160\u3164\uffa0{_EMPTY}]")


def printable(text: str) -> bool:
    """Whether it has no control characters but tabs and line breaks, and no noncharacters."""
    return not _UNPRINTABLE.search(text)


def visible(text: str) -> bool:
    """Whether the text has a visible character. Marks need a base character. Characters of private
    use are visible only if both sides agreed on them."""
    return any(map(_shows, _UNSEEN.sub("", text)))


def hides(text: str) -> bool:
    """Whether it has characters that a name must not have: line breaks, controls (also of the
    direction), private use, and invisible characters, unless they join letters or emoji."""
    return bool(_HIDDEN.search(text) or _STRAY.search(text))


def shown(text: str) -> str:
    """A text on one line, as a reader sees it: without hidden characters, each run of white space
    as one space."""
    return " ".join(_HIDDEN.sub(_seen, text).split())


def cut(text: str, limit: int, *, size: Callable[[str], int] = len, end: str = ELLIPSIS) -> str:
    """A text of at most `limit` by `size`, with `end` where something is left out. It is cut
    between grapheme clusters (UAX #29), and a cluster keeps at most PILE code points.

    `size` must add up: the size of two texts together is the sum of theirs.
    """
    if size(text) <= limit:
        return text
    room, used, kept, fitting = limit - size(end), 0, [""], 0
    for cluster in _clusters(text):
        piece = cluster[:PILE]
        used += size(piece)
        if used > limit:
            return "".join(kept[: fitting + 1]).rstrip() + end
        kept.append(piece)
        if used <= room:
            fitting = len(kept) - 1
    return "".join(kept)


def _shows(char: str) -> bool:
    kind = unicodedata.category(char)
    # Python does not know the newest characters; a reader's phone may.
    return kind[0] in "LNPS" or (kind == "Cn" and not _UNPRINTABLE.match(char))


def _seen(match: re.Match[str]) -> str:
    return " " if match[0].isspace() or _BLANK.match(match[0]) else ""


# Places where a text must not be cut. Each class has at least the characters of UAX #29. More of
# them only move a cut forward.
_EXTENDS = re.compile(
    "[\u200c\u200d\u0e33\u0eb3\uff9e\uff9f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]"
)
_FLAG = re.compile("[\U0001f1e6-\U0001f1ff]")
_PREPENDED = re.compile(
    "[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\u0d4e\U000110bd\U000110cd\U000111c2\U000111c3"
    "\U000113d1\U0001193f\U00011941\U00011a3a\U00011a84-\U00011a89\U00011d46\U00011f02]"
)
_HANGUL_LEADING = re.compile("[\u1100-\u115f\ua960-\ua97c]")
_HANGUL = re.compile("[\u1100-\u11ff\ua960-\ua97c\uac00-\ud7a3\ud7b0-\ud7fb]")
_HANGUL_FOLLOWING = re.compile("[\u1160-\u11ff\ud7b0-\ud7fb]")
_VIRAMA = 9


def _clusters(text: str) -> Iterator[str]:
    start, flags, linked, extends = 0, 0, False, False
    for place in range(1, len(text)):
        before, char = text[place - 1], text[place]
        flags = flags + 1 if _FLAG.match(before) else 0
        linked = (
            unicodedata.combining(before) == _VIRAMA
            or _PREPENDED.match(before) is not None
            or (linked and extends)
        )
        extends = unicodedata.category(char)[0] == "M" or _EXTENDS.match(char) is not None
        if not (
            extends
            or linked
            or (before == "\u200d" and (not (char.isalnum() or char.isspace()) or char == "\u2139"))
            or (flags % 2 and _FLAG.match(char))
            or (before == "\r" and char == "\n")
            or (_HANGUL_LEADING.match(before) and _HANGUL.match(char))
            or (_HANGUL.match(before) and _HANGUL_FOLLOWING.match(char))
        ):
            yield text[start:place]
            start = place
    yield text[start:]
