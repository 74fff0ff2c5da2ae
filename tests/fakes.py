"""In-memory stand-ins for what the network hides, held to the same contracts as the real ones."""

import json
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from chalicelib.broker.publisher import Begun, Broker
from chalicelib.broker.pushes import MessageUnread
from chalicelib.broker.topology import DEAD, EVENTS, RETRY, RETRY_SECONDS
from chalicelib.domain_events.models import TYPES
from chalicelib.domain_events.outbox import Outbox, Waiting
from chalicelib.drivers.amqp import Outgoing
from chalicelib.errors import NotAnswered
from chalicelib.errors.counted import unavailable
from chalicelib.messages.events import ChatEvent
from chalicelib.messages.models import (
    ChangePage,
    Chat,
    Cursors,
    Member,
    Message,
    NewMessage,
    Receipt,
    Stored,
)
from chalicelib.messages.store import NO_CHAT, UNREAD_WINDOW, MessageStore, Place
from chalicelib.notify.models import Notification, Outcome
from chalicelib.wire import now

if TYPE_CHECKING:
    from chalicelib.notify.fcm import Fcm
else:
    Fcm = object  # loading the real one takes longer than the tests that use this


@dataclass
class _FakeChat:
    id: str
    created_at: datetime
    last_activity_at: datetime
    members: dict[str, Member]
    last_rev: int = 0
    messages: list[Message] = field(default_factory=list)

    @property
    def answered(self) -> bool:
        return len({one.sender_id for one in self.messages}) > 1


class FakeMessageStore(MessageStore):
    """`calls` are the methods called, in order; those named in `fail_on` raise Unavailable."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.fail_on: set[str] = set()
        self._chats: dict[str, _FakeChat] = {}
        self._pending: dict[tuple[str, int], Message] = {}
        self._events: dict[str, ChatEvent] = {}
        self._lock = threading.Lock()

    def open_direct(
        self, chat_id: str, *, members: tuple[str, str], at: datetime
    ) -> tuple[Chat, bool]:
        with self._called("open_direct"):
            made = chat_id not in self._chats
            if made:
                joined = {user_id: Member(user_id=user_id) for user_id in members}
                self._chats[chat_id] = _FakeChat(chat_id, at, at, joined)
                self._events[chat_id] = ChatEvent.of_chat(chat_id, members, at)
            chat = self._find(chat_id, members[0])
            if chat is None:
                raise LookupError("this chat has other members")
            return _view(chat, members[0]), made

    def append(self, new: NewMessage, *, unanswered: int) -> Stored | None:
        with self._called("append"):
            chat = self._find(new.chat_id, new.sender_id)
            if chat is None:
                return None
            member_ids = list(chat.members)
            for old in chat.messages:
                if (old.sender_id, old.client_id) == (new.sender_id, new.client_id):
                    return Stored(old, member_ids, False, (old.chat_id, old.seq) in self._pending)
            senders = [one.sender_id for one in chat.messages]
            if senders.count(new.sender_id) == len(senders) >= unanswered:
                raise NotAnswered()
            chat.last_rev += 1
            time = new.created_at or self.now()
            chat.last_activity_at = max(chat.last_activity_at, time)
            message = new.at(chat.last_rev, time)
            chat.messages.append(message)
            self._pending[message.chat_id, message.seq] = message
            return Stored(message, member_ids, created=True, pending=True)

    def settle(self, message: Message, *, published: bool = True) -> None:
        with self._called("settle"):
            was = self._pending.get((message.chat_id, message.seq))
            if was is not None and was.id == message.id:
                del self._pending[message.chat_id, message.seq]
                if not published:
                    self._events[message.id] = ChatEvent.of(message)

    def pending(self, *, before: datetime, limit: int, after: Place | None = None) -> list[Stored]:
        with self._called("pending"):
            due = {
                (one.created_at, one.chat_id, one.seq): one
                for one in self._pending.values()
                if one.created_at < before
            }
            places = [place for place in sorted(due) if after is None or place > after]
            return [
                Stored(due[one], list(self._chats[one[1]].members), created=False, pending=True)
                for one in places[:limit]
            ]

    def unpublished(self, *, limit: int, after: str = NO_CHAT) -> list[ChatEvent]:
        with self._called("unpublished"):
            return [self._events[one] for one in sorted(self._events) if one > after][:limit]

    def published(self, events: Collection[ChatEvent]) -> None:
        with self._called("published"):
            for event in events:
                self._events.pop(event.id, None)

    def chat(self, chat_id: str, *, member: str) -> Chat | None:
        with self._called("chat"):
            chat = self._find(chat_id, member)
            return _view(chat, member) if chat else None

    def chats(
        self, member: str, *, limit: int, before: tuple[datetime, str] | None = None
    ) -> list[Chat]:
        with self._called("chats"):
            found = [
                chat
                for chat in self._chats.values()
                if member in chat.members
                and (before is None or (chat.last_activity_at, chat.id) < before)
            ]
            found.sort(key=lambda chat: (chat.last_activity_at, chat.id), reverse=True)
            return [_view(chat, member) for chat in found[:limit]]

    def news(self, member: str, known: Mapping[str, int], *, limit: int) -> list[Chat]:
        with self._called("news"):
            found = [
                chat
                for chat in self._chats.values()
                if member in chat.members and chat.last_rev > known.get(chat.id, 0)
            ]
            found.sort(key=lambda chat: (chat.last_activity_at, chat.id), reverse=True)
            return [_view(chat, member) for chat in found[:limit]]

    def history(
        self, chat_id: str, *, member: str, before: int | None, limit: int
    ) -> list[Message] | None:
        with self._called("history"):
            chat = self._find(chat_id, member)
            if chat is None:
                return None
            found = [one for one in chat.messages if before is None or one.seq < before]
            return found[::-1][:limit]

    def changes(self, chat_id: str, *, member: str, since: int, limit: int) -> ChangePage | None:
        with self._called("changes"):
            chat = self._find(chat_id, member)
            if chat is None:
                return None
            found = [one for one in chat.messages if one.rev > since]
            more = len(found) > limit
            rev = found[limit - 1].rev if more else chat.last_rev
            return ChangePage(items=found[:limit], rev=rev, more=more)

    def move_cursors(
        self, chat_id: str, *, member: str, read: int = 0, delivered: int = 0
    ) -> Cursors | None:
        with self._called("move_cursors"):
            chat = self._find(chat_id, member)
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
            return _cursors(chat, new, moved=new != old)

    def observers(self, chat_id: str, *, member: str) -> list[str] | None:
        with self._called("observers"):
            chat = self._find(chat_id, member)
            if chat is None:
                return None
            return [one for one in chat.members if one != member and chat.answered]

    def acquainted(self, member: str, others: Collection[str]) -> set[str]:
        with self._called("acquainted"):
            known = {
                other
                for chat in self._chats.values()
                if member in chat.members and chat.answered
                for other in chat.members
            }
            return (known & set(others)) - {member}

    def cursors(self, pairs: Collection[tuple[str, str]]) -> dict[tuple[str, str], Cursors]:
        with self._called("cursors"):
            found = {}
            for chat_id, user_id in pairs:
                if chat := self._find(chat_id, user_id):
                    found[chat_id, user_id] = _cursors(chat, chat.members[user_id], moved=False)
            return found

    def undelivered(
        self, chat_id: str, *, member: str, since: int, until: int, limit: int
    ) -> list[Message] | None:
        with self._called("undelivered"):
            chat = self._find(chat_id, member)
            if chat is None:
                return None
            low = max(since, chat.members[member].delivered_seq + 1)
            found = [one for one in _of_others(chat, member) if low <= one.seq <= until]
            return found[:limit]

    def now(self) -> datetime:
        return now()

    def ping(self) -> None:
        with self._called("ping"):
            pass

    def _called(self, method: str) -> threading.Lock:
        self.calls.append(method)
        if method in self.fail_on:
            raise unavailable("fake")
        return self._lock

    def _find(self, chat_id: str, member: str) -> _FakeChat | None:
        chat = self._chats.get(chat_id)
        return chat if chat and member in chat.members else None


def _view(chat: _FakeChat, member: str) -> Chat:
    after = max(chat.members[member].read_seq, chat.last_rev - UNREAD_WINDOW)
    return Chat(
        id=chat.id,
        kind="direct",
        answered=chat.answered,
        members=[chat.members[user_id] for user_id in sorted(chat.members)],
        last_rev=chat.last_rev,
        last_message=chat.messages[-1] if chat.messages else None,
        unread_count=sum(one.seq > after for one in _of_others(chat, member)),
        created_at=chat.created_at,
        last_activity_at=chat.last_activity_at,
    ).seen_by(member)


def _of_others(chat: _FakeChat, member: str) -> list[Message]:
    return [one for one in chat.messages if one.sender_id != member and one.deleted_at is None]


def _cursors(chat: _FakeChat, member: Member, *, moved: bool) -> Cursors:
    receipt = Receipt(
        chat_id=chat.id,
        user_id=member.user_id,
        read_seq=member.read_seq,
        delivered_seq=member.delivered_seq,
    )
    told = list(chat.members) if chat.answered else [member.user_id]
    return Cursors(receipt, moved, chat.answered, told)


class FakeBroker(Broker):
    """Keeps what RabbitMQ would have been sent. `sick`: raises Unavailable."""

    def __init__(self) -> None:
        super().__init__("amqp://127.0.0.1:1", RETRY_SECONDS)
        self.sent: list[Outgoing] = []
        self.sick = False

    def ping(self) -> None:
        if self.sick:
            raise unavailable("rabbitmq")

    def _send(self, messages: list[Outgoing]) -> None:
        if messages:
            self.ping()
        self.sent += messages

    def _finish(self, begun: Begun, pushes: list[Outgoing], seconds: float) -> bool:
        self._send([*begun.messages, *pushes])
        return True

    @property
    def published(self) -> list[MessageUnread]:
        """New events, one for each shard."""
        return [
            MessageUnread.model_validate_json(message.body)
            for message in self.sent
            if message.routing_key.startswith("message.unread.") and message.exchange == EVENTS
        ]

    @property
    def told(self) -> list[dict[str, Any]]:
        """Events for other services."""
        return [json.loads(m.body) for m in self.sent if m.routing_key in TYPES]

    @property
    def retried(self) -> list[tuple[bytes, dict[str, Any]]]:
        """Bodies and headers of records that come again."""
        return [(m.body, m.properties.headers) for m in self.sent if m.exchange == RETRY]

    @property
    def dead(self) -> list[tuple[bytes, dict[str, Any]]]:
        """Bodies and headers of records laid aside."""
        return [(m.body, m.properties.headers) for m in self.sent if m.routing_key == DEAD]


class FakeOutbox(Outbox):
    """Events that wait. What is claimed comes again at once, unless it was removed."""

    def __init__(self) -> None:
        self.waiting: list[Waiting] = []
        self.sick = False

    def claim(self, limit: int) -> list[Waiting]:
        if self.sick:
            raise unavailable("postgres")
        return self.waiting[:limit]

    def remove(self, ids: Sequence[str]) -> None:
        self.waiting = [one for one in self.waiting if one.id not in ids]

    def age(self) -> float:
        return 7.0 if self.waiting else 0


class FakeFcm(Fcm):
    """Keeps what was sent. `outcomes`: those of pushes to a token, if not "sent"."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.calls = 0
        self.outcomes: dict[str, Outcome] = {}

    def send(self, pushes: Sequence[Notification]) -> list[Outcome]:
        self.calls += 1
        outcomes = [self.outcomes.get(push.token, Outcome("sent")) for push in pushes]
        self.sent += [p for p, o in zip(pushes, outcomes, strict=True) if o.state == "sent"]
        return outcomes
