"""Receipts and typing: moves receipts, and sends events to those who may see them."""

import logging
from collections.abc import Collection
from typing import TYPE_CHECKING

from chalicelib.errors import Unavailable
from chalicelib.identity import Identity
from chalicelib.live.models import Owed
from chalicelib.messages.models.receipts import ReceiptState
from chalicelib.messages.models.socket_events import RECEIPT, TYPING, UserTyping
from chalicelib.messages.store import found

if TYPE_CHECKING:
    from chalicelib.live.gateway import Gateway
    from chalicelib.messages.store.cursors import Cursors

log = logging.getLogger(__name__)


class Receipts:
    """Raises ChatNotFound if the caller is not in the chat, as if it did not exist (G4)."""

    def __init__(self, *, cursors: "Cursors", gateway: "Gateway") -> None:
        self._cursors = cursors
        self._gateway = gateway

    def read(self, reader: Identity, chat_id: str, seq: int) -> None:
        """The reader has read, and so received, every message up to `seq`. A repeat sends the
        receipt again: the first attempt may have died before that."""
        state = self._move(reader, chat_id, read=seq)
        is_news = state.moved or state.receipt.read_seq == seq
        self._tell(reader, chat_id, seq, state._replace(moved=is_news))

    def delivered(self, reader: Identity, chat_id: str, seq: int) -> None:
        """A device of the reader has every message up to `seq`. From an OAuth client this changes
        nothing: the user's own devices may still need the push."""
        if reader.client_id is not None:
            found(self._cursors.observers(chat_id, member=reader.user_id))
            return
        self._tell(reader, chat_id, seq, self._move(reader, chat_id, delivered=seq))

    def typing(self, writer: Identity, chat_id: str, typing: bool) -> None:
        """Tell the other members that the writer is typing, or has stopped. Does nothing until the
        chat is answered."""
        others = found(self._cursors.observers(chat_id, member=writer.user_id))
        data = UserTyping(chat_id=chat_id, user_id=writer.user_id, typing=typing)
        self._gateway.tell(others, TYPING.of(data))

    def of(self, pairs: Collection[tuple[str, str]]) -> dict[tuple[str, str], ReceiptState]:
        """The receipts of (chat_id, user_id) pairs; users who are not in the chat are left out."""
        return self._cursors.of(pairs)

    def _move(self, reader: Identity, chat_id: str, **cursors: int) -> ReceiptState:
        return found(self._cursors.move(chat_id, member=reader.user_id, **cursors))

    def _tell(self, reader: Identity, chat_id: str, seq: int, state: ReceiptState) -> None:
        """Record the acknowledgement. If a cursor moved, send the receipt to those who may see
        it."""
        try:
            self._gateway.tell(
                state.seen_by if state.moved else [],
                RECEIPT.of(state.receipt),
                skip=reader.connection_id,
                delivered=Owed(reader.user_id, chat_id, seq),
            )
        except Unavailable as error:
            log.warning("receipt not told", extra={"dependency": error.dependency})
