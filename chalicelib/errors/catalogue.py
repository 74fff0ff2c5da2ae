"""All errors with their docstrings, for the errors page."""

import inspect
import re
from collections.abc import Iterator
from typing import NamedTuple

from chalicelib.errors.base import AppError

_MEMBER = re.compile(r"`(\w+)`: ")


class Entry(NamedTuple):
    """An error. Its docstring has a paragraph for when it happens, one for what to do, and one for
    each member that other problems do not have."""

    code: str
    status: int
    sentence: str
    when: str
    remedy: str
    members: dict[str, str]


def catalogue() -> list[Entry]:
    """Every code once, in alphabetical order."""
    every: list[type[AppError]] = [AppError, *_below(AppError)]
    ours = [one for one in every if one.__module__.startswith(__package__)]
    return sorted(entry(one) for one in ours if "code" in vars(one))


def entry(error: type[AppError]) -> Entry:
    """Raises ValueError unless the docstring has what `Entry` says."""
    text = inspect.cleandoc(vars(error)["__doc__"] or "")
    paragraphs = [" ".join(each.split()) for each in text.split("\n\n")]
    if len(paragraphs) < 2:
        raise ValueError(f"{error.__name__} does not say when it happens, and what to do")
    when, remedy, *members = paragraphs
    named = {found[1]: one[found.end() :] for one in members if (found := _MEMBER.match(one))}
    if len(named) != len(members):
        raise ValueError(f"{error.__name__} has a further paragraph that is for no member")
    return Entry(error.code, error.status, error.message, when, remedy, named)


def _below(error: type[AppError]) -> Iterator[type[AppError]]:
    for one in error.__subclasses__():
        yield one
        yield from _below(one)
