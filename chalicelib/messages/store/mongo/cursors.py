"""Receipts in MongoDB: a document for each membership."""

from collections.abc import Collection

from pymongo import ReturnDocument

from chalicelib.messages.models.receipts import Receipt, ReceiptState
from chalicelib.messages.store.cursors import Cursors
from chalicelib.messages.store.mongo.documents import Document, Documents, again


class MongoCursors(Cursors):
    """Cursors move by `$max`, so no order of writes moves one back."""

    def __init__(self, documents: Documents) -> None:
        self._db = documents

    def move(
        self, chat_id: str, *, member: str, read: int = 0, delivered: int = 0
    ) -> ReceiptState | None:
        with self._db.bounded():
            chat = self._db.chats.find_one(
                {"_id": chat_id, "member_ids": member},
                {"member_ids": 1, "answered": 1, "last_rev": 1},
            )
            if chat is None:
                return None
            read = min(read, chat["last_rev"])
            delivered = min(max(read, delivered), chat["last_rev"])
            old = self._db.memberships.find_one_and_update(
                {"_id": f"{chat_id}:{member}"},
                {"$max": {"read_seq": read, "delivered_seq": delivered}},
                return_document=ReturnDocument.BEFORE,
            )
        if old is None:
            return None
        receipt = Receipt(
            chat_id=chat_id,
            user_id=member,
            read_seq=max(old["read_seq"], read),
            delivered_seq=max(old["delivered_seq"], delivered),
        )
        moved = read > old["read_seq"] or delivered > old["delivered_seq"]
        return _state(receipt, chat, moved=moved)

    @again
    def of(self, pairs: Collection[tuple[str, str]]) -> dict[tuple[str, str], ReceiptState]:
        chat_ids = list({chat_id for chat_id, _ in pairs})
        with self._db.bounded():
            chats = {
                chat["_id"]: chat
                for chat in self._db.chats.find(
                    {"_id": {"$in": chat_ids}}, {"member_ids": 1, "answered": 1}
                )
            }
            there = [
                (chat_id, user_id)
                for chat_id, user_id in pairs
                if chat_id in chats and user_id in chats[chat_id]["member_ids"]
            ]
            members = self._db.members(there)
        return {
            (one["chat_id"], one["user_id"]): _state(
                Receipt.model_validate(one), chats[one["chat_id"]], moved=False
            )
            for one in members
        }

    @again
    def observers(self, chat_id: str, *, member: str) -> list[str] | None:
        with self._db.bounded():
            chat = self._db.chats.find_one(
                {"_id": chat_id, "member_ids": member}, {"member_ids": 1, "answered": 1}
            )
        if chat is None:
            return None
        return [one for one in chat["member_ids"] if one != member and chat.get("answered")]


def _state(receipt: Receipt, chat: Document, *, moved: bool) -> ReceiptState:
    answered = chat.get("answered", False)
    told = chat["member_ids"] if answered else [receipt.user_id]
    return ReceiptState(receipt, moved, answered, told)
