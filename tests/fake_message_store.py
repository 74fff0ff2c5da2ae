"""A message store in memory, held to the same contract as the real ones."""

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from chalicelib.errors import NotAnswered
from chalicelib.errors.counted import unavailable
from chalicelib.messages.content import Content
from chalicelib.messages.events import ChatEvent
from chalicelib.messages.models.changes import Change, ChangePage, Stored
from chalicelib.messages.models.chats import Chat, ChatState, Me, Member, Partner
from chalicelib.messages.models.messages import Message, NewMessage
from chalicelib.messages.models.receipts import Receipt, ReceiptState
from chalicelib.messages.store import MessageStore
from chalicelib.messages.store.chats import UNREAD_WINDOW, Chats
from chalicelib.messages.store.cursors import Cursors
from chalicelib.messages.store.outbox import NO_CHAT, Outbox, Place
from chalicelib.messages.store.timeline import Timeline
from chalicelib.wire import now


@dataclass
class _FakeChat:
    id: str
    created_at: datetime
    last_activity_at: datetime
    members: dict[str, Member]
    kind: Literal["direct", "group"] = "direct"
    title: str | None = None
    last_rev: int = 0
    state_rev: int = 0
    messages: list[Message] = field(default_factory=list)

    @property
    def answered(self) -> bool:
        return self.kind == "group" or len({one.sender_id for one in self.messages}) > 1

    @property
    def state(self) -> ChatState:
        return ChatState(
            chat_id=self.id, rev=self.state_rev, title=self.title, member_count=len(self.members)
        )

    def message(self, seq: int) -> Message | None:
        return next((one for one in self.messages if one.seq == seq), None)


@dataclass
class _Pending:
    """A change in the outbox. `seq`: of the message that changed; None for the chat itself."""

    chat: _FakeChat
    rev: int
    at: datetime
    seq: int | None

    @property
    def place(self) -> Place:
        return self.at, self.chat.id, self.rev

    def change(self, *, first: bool) -> Change:
        newest = self.chat.state if self.seq is None else self.chat.message(self.seq)
        assert newest is not None
        members = list(self.chat.members)
        return Change(self.chat.id, self.rev, self.at, newest, members, first=first)


class _Held:
    """What the parts of a store share."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.fail_on: set[str] = set()
        self.chats: dict[str, _FakeChat] = {}
        self.pending: dict[tuple[str, int], _Pending] = {}
        self.events: dict[str, ChatEvent] = {}
        self._lock = threading.Lock()

    def called(self, method: str) -> threading.Lock:
        self.calls.append(method)
        if method in self.fail_on:
            raise unavailable("fake")
        return self._lock

    def queue(self, chat: _FakeChat, at: datetime, seq: int | None) -> Change:
        """Put the chat's last change into the outbox."""
        waiting = _Pending(chat, chat.last_rev, at, seq)
        self.pending[chat.id, chat.last_rev] = waiting
        return waiting.change(first=True)

    def find(self, chat_id: str, member: str) -> _FakeChat | None:
        chat = self.chats.get(chat_id)
        return chat if chat and member in chat.members else None


class FakeChats(Chats):
    def __init__(self, held: _Held) -> None:
        self._held = held

    def open_direct(
        self, chat_id: str, *, members: tuple[str, str], at: datetime
    ) -> tuple[Chat, bool]:
        with self._held.called("open_direct"):
            made = chat_id not in self._held.chats
            if made:
                joined = {user_id: Member(user_id=user_id) for user_id in members}
                self._held.chats[chat_id] = _FakeChat(chat_id, at, at, joined)
                self._held.events[chat_id] = ChatEvent.of_chat(chat_id, members, at)
            chat = self._held.find(chat_id, members[0])
            if chat is None:
                raise LookupError("this chat has other members")
            return _view(chat, members[0]), made

    def get(self, chat_id: str, *, member: str) -> Chat | None:
        with self._held.called("get"):
            chat = self._held.find(chat_id, member)
            return _view(chat, member) if chat else None

    def page(
        self, member: str, *, limit: int, before: tuple[datetime, str] | None = None
    ) -> list[Chat]:
        with self._held.called("page"):
            found = [
                chat
                for chat in self._held.chats.values()
                if member in chat.members
                and (before is None or (chat.last_activity_at, chat.id) < before)
            ]
            found.sort(key=lambda chat: (chat.last_activity_at, chat.id), reverse=True)
            return [_view(chat, member) for chat in found[:limit]]

    def news(self, member: str, known: Mapping[str, int], *, limit: int) -> list[Chat]:
        with self._held.called("news"):
            found = [
                chat
                for chat in self._held.chats.values()
                if member in chat.members and chat.last_rev > known.get(chat.id, 0)
            ]
            found.sort(key=lambda chat: (chat.last_activity_at, chat.id), reverse=True)
            return [_view(chat, member) for chat in found[:limit]]

    def members(
        self, chat_id: str, *, member: str, limit: int, after: str | None = None
    ) -> list[Member] | None:
        with self._held.called("members"):
            chat = self._held.find(chat_id, member)
            if chat is None:
                return None
            found = [
                one if one.user_id == member or chat.answered else Member(user_id=one.user_id)
                for one in chat.members.values()
                if after is None or one.user_id > after
            ]
            return sorted(found, key=lambda one: one.user_id)[:limit]

    def rename(self, chat_id: str, *, member: str, title: str) -> Change | None:
        with self._held.called("rename"):
            chat = self._held.find(chat_id, member)
            if chat is None:
                return None
            chat.last_rev += 1
            chat.state_rev, chat.title = chat.last_rev, title
            return self._held.queue(chat, now(), None)

    def acquainted(self, member: str, others: Collection[str]) -> set[str]:
        with self._held.called("acquainted"):
            known = {
                other
                for chat in self._held.chats.values()
                if member in chat.members and chat.answered
                for other in chat.members
            }
            return (known & set(others)) - {member}


class FakeTimeline(Timeline):
    def __init__(self, held: _Held) -> None:
        self._held = held

    def append(self, new: NewMessage, *, unanswered: int) -> Stored | None:
        with self._held.called("append"):
            chat = self._held.find(new.chat_id, new.sender_id)
            if chat is None:
                return None
            member_ids = list(chat.members)
            for old in chat.messages:
                if (old.sender_id, old.client_id) == (new.sender_id, new.client_id):
                    return Stored(
                        old, member_ids, False, (old.chat_id, old.seq) in self._held.pending
                    )
            senders = [one.sender_id for one in chat.messages]
            if senders.count(new.sender_id) == len(senders) >= unanswered:
                raise NotAnswered()
            chat.last_rev += 1
            time = new.created_at or self.now()
            chat.last_activity_at = max(chat.last_activity_at, time)
            message = new.at(chat.last_rev, time)
            chat.messages.append(message)
            self._held.queue(chat, time, message.seq)
            return Stored(message, member_ids, created=True, pending=True)

    def revise(
        self, chat_id: str, seq: int, *, member: str, content: Content | None
    ) -> Change | None:
        with self._held.called("revise"):
            chat = self._held.find(chat_id, member)
            old = chat.message(seq) if chat else None
            if chat is None or old is None or old.deleted_at is not None:
                return None
            chat.last_rev += 1
            at = self.now()
            time = "deleted_at" if content is None else "edited_at"
            version = old.model_copy(update={"content": content, "rev": chat.last_rev, time: at})
            chat.messages[chat.messages.index(old)] = version
            return self._held.queue(chat, at, seq)

    def history(
        self, chat_id: str, *, member: str, before: int | None, limit: int
    ) -> list[Message] | None:
        with self._held.called("history"):
            chat = self._held.find(chat_id, member)
            if chat is None:
                return None
            found = [one for one in chat.messages if before is None or one.seq < before]
            return found[::-1][:limit]

    def changes(self, chat_id: str, *, member: str, since: int, limit: int) -> ChangePage | None:
        with self._held.called("changes"):
            chat = self._held.find(chat_id, member)
            if chat is None:
                return None
            found = [one for one in chat.messages if one.rev > since]
            found.sort(key=lambda one: one.rev)
            more = len(found) > limit
            rev = found[limit - 1].rev if more else chat.last_rev
            return ChangePage(items=found[:limit], rev=rev, state_rev=chat.state_rev, more=more)

    def undelivered(
        self, chat_id: str, *, member: str, since: int, until: int, limit: int
    ) -> list[Message] | None:
        with self._held.called("undelivered"):
            chat = self._held.find(chat_id, member)
            if chat is None:
                return None
            low = max(since, chat.members[member].delivered_seq + 1)
            found = [one for one in _of_others(chat, member) if low <= one.seq <= until]
            return found[:limit]

    def now(self) -> datetime:
        return now()


class FakeOutbox(Outbox):
    def __init__(self, held: _Held) -> None:
        self._held = held

    def settle(self, change: Change, *, published: bool = True) -> None:
        with self._held.called("settle"):
            waiting = self._held.pending.get((change.chat_id, change.rev))
            if waiting is None:
                return
            message = change.new_message
            if message is not None and not published:
                self._held.events[message.id] = ChatEvent.of(message)
            del self._held.pending[change.chat_id, change.rev]

    def pending(self, *, before: datetime, limit: int, after: Place | None = None) -> list[Change]:
        with self._held.called("pending"):
            due = [
                one
                for one in self._held.pending.values()
                if one.at < before and (after is None or one.place > after)
            ]
            due.sort(key=lambda one: one.place)
            return [one.change(first=False) for one in due[:limit]]

    def unpublished(self, *, limit: int, after: str = NO_CHAT) -> list[ChatEvent]:
        with self._held.called("unpublished"):
            return [self._held.events[one] for one in sorted(self._held.events) if one > after][
                :limit
            ]

    def published(self, events: Collection[ChatEvent]) -> None:
        with self._held.called("published"):
            for event in events:
                self._held.events.pop(event.id, None)


class FakeCursors(Cursors):
    def __init__(self, held: _Held) -> None:
        self._held = held

    def move(
        self, chat_id: str, *, member: str, read: int = 0, delivered: int = 0
    ) -> ReceiptState | None:
        with self._held.called("move"):
            chat = self._held.find(chat_id, member)
            if chat is None:
                return None
            old = chat.members[member]
            new = old.model_copy(
                update={
                    "read_seq": max(old.read_seq, min(read, chat.last_rev)),
                    "delivered_seq": max(
                        old.delivered_seq, min(max(read, delivered), chat.last_rev)
                    ),
                }
            )
            chat.members[member] = new
            return _state(chat, new, moved=new != old)

    def of(self, pairs: Collection[tuple[str, str]]) -> dict[tuple[str, str], ReceiptState]:
        with self._held.called("of"):
            found = {}
            for chat_id, user_id in pairs:
                if chat := self._held.find(chat_id, user_id):
                    found[chat_id, user_id] = _state(chat, chat.members[user_id], moved=False)
            return found

    def observers(self, chat_id: str, *, member: str) -> list[str] | None:
        with self._held.called("observers"):
            chat = self._held.find(chat_id, member)
            if chat is None:
                return None
            return [one for one in chat.members if one != member and chat.answered]


class FakeMessageStore(MessageStore):
    """`calls` are the methods called, in order; those named in `fail_on` raise Unavailable."""

    def __init__(self) -> None:
        self._held = _Held()
        self.calls = self._held.calls
        self.chats = FakeChats(self._held)
        self.timeline: FakeTimeline = FakeTimeline(self._held)
        self.outbox = FakeOutbox(self._held)
        self.cursors = FakeCursors(self._held)

    @property
    def events(self) -> dict[str, ChatEvent]:
        """Those that wait, by id."""
        return self._held.events

    @events.setter
    def events(self, waiting: dict[str, ChatEvent]) -> None:
        self._held.events = waiting

    @property
    def fail_on(self) -> set[str]:
        return self._held.fail_on

    @fail_on.setter
    def fail_on(self, methods: set[str]) -> None:
        self._held.fail_on = methods

    def make_group(self, chat_id: str, user_ids: Sequence[str], title: str, at: datetime) -> None:
        joined = {user_id: Member(user_id=user_id) for user_id in user_ids}
        self._held.chats[chat_id] = _FakeChat(chat_id, at, at, joined, "group", title)

    def ping(self) -> None:
        with self._held.called("ping"):
            pass


def _view(chat: _FakeChat, member: str) -> Chat:
    mine = chat.members[member]
    newest = chat.messages[-1].seq if chat.messages else 0
    after = max(mine.read_seq, newest - UNREAD_WINDOW)
    others = [one for one in chat.members.values() if one.user_id != member]
    return Chat(
        id=chat.id,
        kind=chat.kind,
        title=chat.title,
        member_count=len(chat.members),
        me=Me.model_validate(mine.model_dump(exclude={"user_id"})),
        partner=Partner.model_validate(others[0].model_dump()) if chat.kind == "direct" else None,
        answered=chat.answered,
        last_rev=chat.last_rev,
        state_rev=chat.state_rev,
        last_message=chat.messages[-1] if chat.messages else None,
        unread_count=sum(one.seq > after for one in _of_others(chat, member)),
        created_at=chat.created_at,
        last_activity_at=chat.last_activity_at,
    ).as_seen()


def _of_others(chat: _FakeChat, member: str) -> list[Message]:
    return [one for one in chat.messages if one.sender_id != member and one.deleted_at is None]


def _state(chat: _FakeChat, member: Member, *, moved: bool) -> ReceiptState:
    receipt = Receipt(
        chat_id=chat.id,
        user_id=member.user_id,
        read_seq=member.read_seq,
        delivered_seq=member.delivered_seq,
    )
    told = list(chat.members) if chat.answered else [member.user_id]
    return ReceiptState(receipt, moved, chat.answered, told)
