"""Reads JSON that a strict parser refuses, to say what is wrong with it."""

import json
import re
from typing import Any, NamedTuple

from chalicelib.text.sentences import MOST_FIELDS

_LONGEST_NAME = 64
_LONGEST_PATH = 1000
_HALF = re.compile("[\ud800-\udfff]")

Path = tuple["Path", str] | None
"""The path to a value: a linked list, so that a long name is stored once."""


class Broken(NamedTuple):
    """The members of an object, and the paths of all strings with an unpaired surrogate."""

    members: dict[str, Any]
    unpaired: list[str]


class _Object(list[tuple[str, Any]]):
    """Its members in order. A name may come twice."""


def look(text: str) -> Broken:
    """Read text as JSON, with escapes of unpaired surrogates (RFC 8259, section 8.2) and with NaN.

    Both lists are empty for other text. Names of the members count as strings.
    """
    try:
        value = json.loads(
            text, object_pairs_hook=_Object, parse_int=float, parse_constant=lambda _: None
        )
    except (ValueError, RecursionError):
        return Broken({}, [])
    return Broken(dict(value) if isinstance(value, _Object) else {}, _unpaired(value))


def has_half(text: str) -> bool:
    """Whether text holds half of a surrogate pair."""
    return _HALF.search(text) is not None


def _unpaired(value: Any) -> list[str]:
    """In the order of the text, without recursion, because it may be nested deeply."""
    found: dict[str, None] = {}
    rest: list[tuple[Path, Any]] = [(None, value)]
    while rest and len(found) < MOST_FIELDS:
        path, one = rest.pop()
        if isinstance(one, str):
            if has_half(one):
                found[_written(path)] = None
        elif isinstance(one, _Object):
            for name, member in reversed(one):
                rest += [((path, name), member), ((path, name), name)]
        elif isinstance(one, list):
            rest += [((path, str(n)), one[n]) for n in reversed(range(len(one)))]
    return list(found)


def _written(path: Path) -> str:
    names: list[str] = []
    while path is not None:
        path, name = path
        names.append(_HALF.sub("\ufffd", name[:_LONGEST_NAME]))
    return ".".join(reversed(names))[:_LONGEST_PATH]
