"""The part of a store with receipts: how far each member has received and read."""

from collections.abc import Collection
from typing import Protocol

from chalicelib.messages.models.receipts import ReceiptState


class Cursors(Protocol):
    """Each member's receipt in each chat, and who may see it."""

    def move(
        self, chat_id: str, *, member: str, read: int = 0, delivered: int = 0
    ) -> ReceiptState | None:
        """Move `member`'s cursors forward, never back and never past the chat's last rev. `read`
        moves both cursors."""

    def of(self, pairs: Collection[tuple[str, str]]) -> dict[tuple[str, str], ReceiptState]:
        """The receipts of (chat_id, user_id) pairs; pairs that are not found are left out.
        `moved` is False."""

    def observers(self, chat_id: str, *, member: str) -> list[str] | None:
        """The other members who may see what `member` does: none until the chat is answered."""
