"""Chats that are not answered, in MongoDB: they accept only a few messages.

A chat keeps who wrote first (`asked_by`), the client_ids of their messages (`asked`) and, once
another member has written, that it is `answered`.
"""

from pymongo import ASCENDING, UpdateOne

from chalicelib.messages.models.messages import NewMessage
from chalicelib.messages.store.mongo.completing import completed
from chalicelib.messages.store.mongo.documents import INDEX_SECONDS, Document, Documents

LOOK_AT = 200
"""How many chats that older code stored are handled in one call."""


def may_be_sent(new: NewMessage, unanswered: int) -> list[Document]:
    """The conditions for a message: the chat must meet one of them. A resend has the same entry in
    `asked`, so it counts once."""
    others = {"asked": {"$exists": True}, "asked_by": {"$ne": new.sender_id}}
    few = {"asked_by": new.sender_id, f"asked.{unanswered - 1}": {"$exists": False}}
    return [{"answered": True}, others, few]


def note_writers(documents: Documents, chats: list[Document], unanswered: int) -> None:
    """Find out who has written, from the messages of chats, and note it in the chats."""
    completed(documents, chats)
    found = documents.messages.aggregate(
        [
            {"$match": {"chat_id": {"$in": [chat["_id"] for chat in chats]}}},
            {"$group": {"_id": {"chat_id": "$chat_id", "sender_id": "$sender_id"}}},
        ]
    )
    writers: dict[str, list[str]] = {chat["_id"]: [] for chat in chats}
    for one in found:
        writers[one["_id"]["chat_id"]].append(one["_id"]["sender_id"])
    notes = []
    for chat_id, wrote in writers.items():
        if len(wrote) > 1:
            notes.append(UpdateOne({"_id": chat_id}, {"$set": {"answered": True}}))
            continue
        asked: Document = {"asked": []}
        if wrote:
            mine = {"chat_id": chat_id, "sender_id": wrote[0]}
            sent = documents.messages.find(mine, {"client_id": 1}).limit(unanswered)
            asked = {"asked_by": wrote[0], "asked": [one["client_id"] for one in sent]}
        unknown = {"_id": chat_id, "asked": {"$exists": False}, "answered": None}
        notes.append(UpdateOne(unknown, {"$set": asked}))
    if notes:
        documents.chats.bulk_write(notes, ordered=False)


def note_all_writers(documents: Documents, unanswered: int) -> None:
    """Note in each chat of an older version whether it is answered. Safe to repeat, and to run
    twice at the same time."""
    unknown: Document = {"_id": {"$gt": ""}, "asked": {"$exists": False}, "answered": None}
    while True:
        with documents.bounded(INDEX_SECONDS):
            page = list(documents.chats.find(unknown).sort("_id", ASCENDING).limit(LOOK_AT))
            if not page:
                return
            note_writers(documents, page, unanswered)
        unknown["_id"] = {"$gt": page[-1]["_id"]}
