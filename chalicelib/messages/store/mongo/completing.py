"""Copies changes from a chat's document to its messages.

A change is made by one update of the chat's document. Then it is copied to the message. If a
function dies in between, the next function that reads the chat copies it.
"""

from collections.abc import Iterable, Mapping

from pymongo import ReturnDocument

from chalicelib.errors.counted import unavailable
from chalicelib.messages.store.mongo.changes import newer_version, room_for_changes, take_rev
from chalicelib.messages.store.mongo.documents import STATE, Document, Documents, insert_new

CHANGED: Document = dict.fromkeys(("member_ids", "placed_at", "changes", *STATE), 1)


def completed(
    documents: Documents, chats: Iterable[Document], also: Iterable[str] = ()
) -> dict[str, Document]:
    """The messages in the outboxes of chats, and those with the ids `also`, by id, each in its
    newest version.

    A message in an outbox that was not stored is stored now. A version in `changes` that was not
    applied is applied now; of its entry only `id` and `rev` are needed. A resend of a settled
    message is left out.
    """
    chats = list(chats)
    new = {entry["_id"]: entry for chat in chats for entry in chat.get("outbox", [])}
    versions = [e for chat in chats for e in chat.get("changes", []) if "id" in e]
    found = documents.by_id({*new, *also})
    if missing := new.keys() - found.keys():
        insert_new(documents.messages, [new[one] for one in missing])
        found |= documents.by_id(missing)
    others = {entry["id"] for entry in versions} - found.keys()
    known = found | documents.by_id(others, {"chat_id": 1, "rev": 1})
    behind = {
        entry["id"]: known[entry["id"]]["chat_id"]
        for entry in versions
        if entry["id"] in known and known[entry["id"]]["rev"] < entry["rev"]
    }
    return found | _applied(documents, behind) if behind else found


def add_change(
    documents: Documents,
    chat_id: str,
    *,
    member: str,
    entry: Document,
    state: Document | None = None,
) -> Document | None:
    """Take the next rev of a chat and put the change into its `changes`, where it waits until it is
    settled. Returns the chat after that, or None if `member` is not in it."""
    mine = {"_id": chat_id, "member_ids": member}
    chat = documents.chats.find_one_and_update(
        {**mine, **room_for_changes()},
        take_rev(entry, state or {}),
        projection=CHANGED,
        return_document=ReturnDocument.AFTER,
    )
    if chat is None and documents.chats.find_one(mine, {"_id": 1}):
        raise unavailable("messages")  # too many changes are not settled
    return chat


def apply_versions(
    documents: Documents, message_id: str, changes: Iterable[Document]
) -> Document | None:
    """The message, after all of its versions in the `changes` of its chat were applied, in the
    order of their revs. Another function may have applied them before."""
    mine = [entry for entry in changes if entry.get("id") == message_id]
    if not mine:  # settled meanwhile, so they were applied
        return documents.messages.find_one({"_id": message_id})
    return documents.messages.find_one_and_update(
        {"_id": message_id},
        [newer_version(entry) for entry in sorted(mine, key=lambda entry: entry["rev"])],
        return_document=ReturnDocument.AFTER,
    )


def _applied(documents: Documents, behind: Mapping[str, str]) -> dict[str, Document]:
    """The messages in `behind` (their ids, with the ids of their chats), after all versions that
    wait for them were applied. All entries of a chat are read for that: an older version, which the
    caller may not know, must be applied first."""
    waiting = {
        chat["_id"]: chat.get("changes", [])
        for chat in documents.chats.find({"_id": {"$in": [*{*behind.values()}]}}, {"changes": 1})
    }
    newest = (
        apply_versions(documents, one, waiting.get(chat_id, [])) for one, chat_id in behind.items()
    )
    return {one["_id"]: one for one in newest if one is not None}
