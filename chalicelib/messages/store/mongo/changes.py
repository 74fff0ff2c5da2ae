"""Changes of a chat that are not new messages, as stages of updates.

Such a change is an entry in the `changes` of its chat until it is settled. A new version of a
message has `seq`, `id` (of the message), `call` and the `fields` that it sets. A new state of the
chat has only what all entries have: `rev` and `created_at`.
"""

from chalicelib.messages.content import Content
from chalicelib.messages.store.mongo.documents import Document

CHANGES_LIMIT = 200
"""The most unsettled changes in a chat. With 16 KB each, the document stays far below MongoDB's
16 MB."""


def room_for_changes() -> Document:
    """The condition that a chat has room for one more change."""
    return {f"changes.{CHANGES_LIMIT - 1}": {"$exists": False}}


def take_rev(entry: Document, state: Document) -> list[Document]:
    """Take the next rev and put the entry into `changes`, in one atomic update. `entry` and `state`
    (the fields of the chat that change) are expressions; `placed_at` is the time."""
    place = {"rev": "$last_rev", "created_at": "$placed_at"}
    placed = {"$mergeObjects": [entry, place]}
    changes = {"$concatArrays": [{"$ifNull": ["$changes", []]}, [placed]]}
    return [
        {"$set": {"placed_at": "$$NOW", "last_rev": {"$add": ["$last_rev", 1]}}},
        {"$set": {**state, "changes": changes}},
    ]


def version_entry(message: Document, content: Content | None, call: str) -> Document:
    """The entry for a new version of a message: with this content, or deleted for None. `call`
    names the call that made it, so that a second try finds it."""
    same = {"seq": message["seq"], "id": message["_id"], "call": call}
    changed_at = "deleted_at" if content is None else "edited_at"
    fields = {
        "content": {"$literal": content.model_dump() if content else None},
        changed_at: "$placed_at",
    }
    return {"$mergeObjects": [{"$literal": same}, {"fields": fields}]}


def newer_version(entry: Document) -> Document:
    """The stage that makes a message the version of an entry, unless the message has this version
    or a newer one. A deleted message stays deleted: it takes only the rev."""
    fields = {"$cond": ["$deleted_at", {}, {"$literal": entry["fields"]}]}
    changed = {"$mergeObjects": ["$$ROOT", fields, {"rev": entry["rev"]}]}
    return {"$replaceWith": {"$cond": [{"$lt": ["$rev", entry["rev"]]}, changed, "$$ROOT"]}}


def take_out_change(rev: int) -> list[Document]:
    """Remove a change from `changes`."""
    return _take_out("changes", "rev", rev)


def take_out_message(message_id: str) -> list[Document]:
    """Remove a message from the outbox."""
    return _take_out("outbox", "_id", message_id)


def _take_out(array: str, key: str, value: object) -> list[Document]:
    """Remove an entry. An empty array is removed too, so that the sparse index skips the chat."""
    others = {"$ne": [f"$$entry.{key}", {"$literal": value}]}
    left = {"input": {"$ifNull": [f"${array}", []]}, "as": "entry", "cond": others}
    return [
        {"$set": {array: {"$filter": left}}},
        {"$set": {array: {"$cond": [{"$eq": [f"${array}", []]}, "$$REMOVE", f"${array}"]}}},
    ]
