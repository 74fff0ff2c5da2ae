"""Reads chats and messages: lists of chats, history, changes, and sync."""

from typing import TYPE_CHECKING

from pydantic_core import to_json

from chalicelib.errors import ChatNotFound
from chalicelib.identity import Identity
from chalicelib.messages.models.changes import ChangePage, ChatSync, SyncAnswer
from chalicelib.messages.models.chats import Chat
from chalicelib.messages.models.messages import Message
from chalicelib.messages.pages import (
    ChatPage,
    ChatQuery,
    MemberPage,
    MemberQuery,
    MessagePage,
    cursor_after,
    place_of,
)
from chalicelib.messages.store import found

if TYPE_CHECKING:
    from chalicelib.messages.store.chats import Chats
    from chalicelib.messages.store.timeline import Timeline

# A frame has 128 KB at most, so no answer with messages is larger than this.
ANSWER_BYTES = 100_000
SYNC_CHATS = 20
SYNC_MESSAGES = 50


class Reading:
    """Raises ChatNotFound if the caller is not in the chat, as if it did not exist (G4)."""

    def __init__(self, *, chats: "Chats", timeline: "Timeline") -> None:
        self._chats = chats
        self._timeline = timeline

    def chat(self, reader: Identity, chat_id: str) -> Chat:
        """A chat as the reader sees it."""
        return found(self._chats.get(chat_id, member=reader.user_id))

    def chats(self, reader: Identity, query: ChatQuery) -> ChatPage:
        """The reader's chats, newest activity first."""
        before = place_of(query.cursor)
        chats = self._chats.page(reader.user_id, limit=query.limit + 1, before=before)
        return ChatPage.of(chats, query.limit, cursor_after)

    def history(
        self, reader: Identity, chat_id: str, *, before: int | None, limit: int
    ) -> MessagePage:
        """Messages below a seq, newest first."""
        messages = found(
            self._timeline.history(chat_id, member=reader.user_id, before=before, limit=limit + 1)
        )
        items = _fitting(messages[:limit], ANSWER_BYTES)
        more = len(items) < len(messages)
        return MessagePage(items=items, next=str(items[-1].seq) if more else None)

    def changes(self, reader: Identity, chat_id: str, *, since: int, limit: int) -> ChangePage:
        """The changes of a chat after a rev, complete up to the answer's rev. The answer has the
        chat if the last change of its own state is in it."""
        page = self._changes(reader, chat_id, since, limit, ANSWER_BYTES)
        if not page.covers_state(since):
            return page
        return page.model_copy(update={"chat": self.chat(reader, chat_id)})

    def members(self, reader: Identity, chat_id: str, query: MemberQuery) -> MemberPage:
        """The members of a chat, with the receipts that the reader may see."""
        members = self._chats.members(
            chat_id, member=reader.user_id, limit=query.limit + 1, after=query.cursor
        )
        return MemberPage.of(found(members), query.limit, lambda member: member.user_id)

    def sync(self, reader: Identity, known: dict[str, int]) -> SyncAnswer:
        """The chats with changes for a client that has the revs in `known`, as many as fit into an
        answer.

        For a chat that the client does not know, it gets the newest changes. They may be versions
        of old messages, so the client reads the messages by `history`.
        """
        items: list[ChatSync] = []
        room = ANSWER_BYTES
        news = self._chats.news(reader.user_id, known, limit=SYNC_CHATS + 1)
        for chat in news[:SYNC_CHATS]:
            if room < ANSWER_BYTES // 10:
                return SyncAnswer(items=items, more=True)
            since = known.get(chat.id, max(0, chat.last_rev - SYNC_MESSAGES))
            try:
                changes = self._changes(reader, chat.id, since, SYNC_MESSAGES, room)
                if changes.covers_state(chat.state_rev):  # it has changed since it was read
                    chat = self.chat(reader, chat.id)
            except ChatNotFound:  # left the chat in the meantime
                continue
            item = ChatSync(chat=chat, changes=changes.items, rev=changes.rev, more=changes.more)
            room -= len(to_json(item))
            items.append(item)
        return SyncAnswer(items=items, more=len(news) > SYNC_CHATS)

    def _changes(
        self, reader: Identity, chat_id: str, since: int, limit: int, room: int
    ) -> ChangePage:
        changes = found(
            self._timeline.changes(chat_id, member=reader.user_id, since=since, limit=limit)
        )
        fitting = _fitting(changes.items, room)
        if len(fitting) == len(changes.items):
            return changes
        return changes.model_copy(update={"items": fitting, "rev": fitting[-1].rev, "more": True})


def _fitting(messages: list[Message], room: int) -> list[Message]:
    """The first messages, as many as fit into `room` bytes; at least one."""
    for count, message in enumerate(messages):
        room -= len(to_json(message))
        if room < 0 and count > 0:
            return messages[:count]
    return messages
