"""The store of chats and messages: four small interfaces, two implementations, one contract."""

from typing import Protocol, TypeVar

from chalicelib.config import SettingsInvalid
from chalicelib.errors import ChatNotFound
from chalicelib.messages.store.chats import Chats
from chalicelib.messages.store.cursors import Cursors
from chalicelib.messages.store.outbox import Outbox
from chalicelib.messages.store.timeline import Timeline

T = TypeVar("T")


class StoreUnfit(SettingsInvalid):
    """The server lacks something that the store needs. The text says what, for operators."""


class MessageStore(Protocol):
    """Chats and messages on one server: four parts that share a connection.

    Every method of a part raises Unavailable if the server does not answer in time. `None` means
    that there is no such chat or that `member` is not in it: the caller cannot tell which (G4).
    """

    chats: Chats
    timeline: Timeline
    outbox: Outbox
    cursors: Cursors

    def ping(self) -> None:
        """Raises Unavailable unless the server answers."""


def found(result: T | None) -> T:
    """The same result, or ChatNotFound for None: the chat does not exist, or the caller is not in
    it."""
    if result is None:
        raise ChatNotFound()
    return result
