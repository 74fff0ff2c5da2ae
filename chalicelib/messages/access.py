"""Who is not in a chat learns nothing of it."""

from typing import TypeVar

from chalicelib.errors import ChatNotFound

T = TypeVar("T")


def found(result: T | None) -> T:
    """What a store found. Raises ChatNotFound for None: the caller is not in the chat, or there is
    no such chat (G4: the caller cannot tell which)."""
    if result is None:
        raise ChatNotFound()
    return result
