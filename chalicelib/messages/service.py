"""Chats and messages: what may be done, and that what is stored is delivered."""

import logging
import random
import time
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from pydantic_core import to_json

from chalicelib import metrics
from chalicelib.config import Settings
from chalicelib.deadline import within
from chalicelib.errors import AppError, ChatNotFound, Unavailable, ValidationFailed
from chalicelib.identity import Identity
from chalicelib.ids import direct_chat_id
from chalicelib.live.models import Owed
from chalicelib.messages.models import (
    MESSAGE_NEW,
    RECEIPT,
    TYPING,
    UNANSWERED,
    ChangePage,
    Chat,
    ChatSync,
    Cursors,
    Draft,
    Message,
    NewMessage,
    Stored,
    SyncAnswer,
    UserTyping,
)
from chalicelib.messages.pages import ChatPage, MessagePage, after_cursor, page_of
from chalicelib.messages.publisher import Publisher
from chalicelib.messages.queries import Page
from chalicelib.messages.store import NO_CHAT
from chalicelib.text.sentences import problem
from chalicelib.wire import now

if TYPE_CHECKING:
    from chalicelib.broker.publisher import Begun, Broker
    from chalicelib.live.connections import Connections
    from chalicelib.live.gateway import Gateway
    from chalicelib.messages.store import MessageStore
    from chalicelib.users.profiles import Users

log = logging.getLogger(__name__)

T = TypeVar("T")

# A socket takes 128 KB at most, so no answer with messages grows past this.
ANSWER_BYTES = 100_000
SYNC_CHATS = 20
JOB_BATCH = 200
PUSH_PAGE = 50
# What is due for no longer than this has been tried twice at most.
FRESH = timedelta(minutes=2)
# A job begins nothing after this long; what has begun ends well within its function's minute.
JOB_SECONDS = 35
# Nor in the last seconds of its function, which other work may have delayed: a delivery takes long.
LAST_SECONDS = 12
# After this long, a socket that exists but cannot be asked counts as absent: a push goes out.
GIVE_UP_ON_SOCKETS = timedelta(hours=1)


class Messages:
    """Raises ChatNotFound wherever the caller is not in the chat, as if it did not exist (G4)."""

    def __init__(
        self,
        settings: Settings,
        *,
        store: "MessageStore",
        connections: "Connections",
        gateway: "Gateway",
        broker: "Callable[[], Broker]",
        users: "Callable[[], Users]",
    ) -> None:
        self._pending_after = timedelta(seconds=settings.pending_after_seconds)
        self._delivered_within = timedelta(seconds=settings.delivered_within_seconds)
        self._store = store
        self._connections = connections
        self._gateway = gateway
        self._publisher = Publisher(settings, store=store, broker=broker)
        self._users = users

    def open_direct(self, opener: Identity, user_id: str) -> tuple[Chat, bool]:
        """The chat between two users, and whether it was made now. Raises UserNotFound."""
        if user_id == opener.user_id:
            raise ValidationFailed(
                [problem("user_id", "not_yourself", "A chat needs somebody else.")]
            )
        self._users().require(user_id)
        chat_id = direct_chat_id(opener.user_id, user_id)
        chat, made = self._store.open_direct(chat_id, members=(opener.user_id, user_id), at=now())
        if made:
            self._publisher.opened(chat)
        return chat, made

    def chat(self, reader: Identity, chat_id: str) -> Chat:
        return _found(self._store.chat(chat_id, member=reader.user_id))

    def chats(self, reader: Identity, page: Page) -> ChatPage:
        """The reader's chats, newest activity first."""
        before = after_cursor(page.cursor)
        found = self._store.chats(reader.user_id, limit=page.limit + 1, before=before)
        return page_of(found, page.limit)

    def send(self, sender: Identity, chat_id: str, draft: Draft) -> tuple[Message, bool]:
        """Store a message and deliver it: (the message, whether it is new). Stored means sent.

        A resend answers with the message stored first, and completes its delivery (G2).
        Raises NotAnswered beyond UNANSWERED messages to somebody who has written nothing.
        """
        new = NewMessage.of(draft, chat_id=chat_id, sender_id=sender.user_id)
        stored = _found(self._store.append(new, unanswered=UNANSWERED))
        if stored.created:
            metrics.count("MessagesStored")
        if stored.pending:
            try:
                self.deliver(stored, skip=sender.connection_id)
            except Exception:
                # The sender need not care: the message is stored, and redeliver_pending goes on.
                log.exception("left pending", extra={"message_id": stored.message.id})
                metrics.count("LeftPending")
        return stored.message, stored.created

    def deliver(self, stored: Stored, *, skip: str | None = None) -> None:
        """Send to open sockets, queue pushes to absent members, publish the event, settle. Safe to
        repeat: nobody gets a push twice."""
        message, member_ids = stored.message, stored.member_ids
        begun: Begun | None = None

        def begin(absent: set[str]) -> None:
            nonlocal begun
            begun = self._publisher.begin(message, absent) if stored.created else None

        pushed = set() if stored.created else self._connections.pushed(message.id)
        delivery = self._gateway.deliver(
            member_ids,
            MESSAGE_NEW.of(message),
            chat_id=message.chat_id,
            seq=message.seq,
            sender_id=message.sender_id,
            skip=skip,
            pushed=pushed,
            again=not stored.created,
            meanwhile=begin,
        )
        giving_up = now() - message.created_at >= GIVE_UP_ON_SOCKETS
        absent = set(member_ids) if delivery.failed and giving_up else delivery.unreached
        left = delivery.failed and not giving_up
        if left and not stored.created:
            # The first try sent its event, and the last one sends it again. Those between do not.
            self._publisher.push(message, absent - pushed)
        else:
            published = self._publisher.finish(message, absent - pushed, begun)
        try:
            if left:
                raise Unavailable("gateway")
            self._store.settle(message, published=published)
        except Unavailable:
            self._connections.note_pushed([message.id], absent)
            raise

    def history(
        self, reader: Identity, chat_id: str, *, before: int | None, limit: int
    ) -> MessagePage:
        """Messages below a seq, newest first."""
        found = _found(
            self._store.history(chat_id, member=reader.user_id, before=before, limit=limit + 1)
        )
        items = _fitting(found[:limit], ANSWER_BYTES)
        more = len(items) < len(found)
        return MessagePage(items=items, next=str(items[-1].seq) if more else None)

    def changes(self, reader: Identity, chat_id: str, *, since: int, limit: int) -> ChangePage:
        """What happened in a chat after a rev, complete up to the answer's rev."""
        return self._changes(reader, chat_id, since, limit, ANSWER_BYTES)

    def sync(self, reader: Identity, known: dict[str, int]) -> SyncAnswer:
        """Every chat that has news for a client that knows `known`, as many as fit into an answer.

        For a chat that the client does not know, it gets the newest messages; the rest is history.
        """
        items: list[ChatSync] = []
        room = ANSWER_BYTES
        found = self._store.news(reader.user_id, known, limit=SYNC_CHATS + 1)
        for chat in found[:SYNC_CHATS]:
            if room < ANSWER_BYTES // 10:
                return SyncAnswer(items=items, more=True)
            since = known.get(chat.id, max(0, chat.last_rev - 50))
            try:
                changes = self._changes(reader, chat.id, since, 50, room)
            except ChatNotFound:  # left meanwhile
                continue
            news = ChatSync(chat=chat, changes=changes.items, rev=changes.rev, more=changes.more)
            room -= len(to_json(news))
            items.append(news)
        return SyncAnswer(items=items, more=len(found) > SYNC_CHATS)

    def read(self, reader: Identity, chat_id: str, seq: int) -> None:
        """The reader has read everything up to `seq`; read is also delivered. A repetition sends
        the receipt again: the first try may have ended before it was sent."""
        cursors = self._move(reader, chat_id, read=seq)
        is_news = cursors.moved or cursors.receipt.read_seq == seq
        self._receipt(reader, chat_id, seq, cursors._replace(moved=is_news))

    def delivered(self, reader: Identity, chat_id: str, seq: int) -> None:
        """A device of the reader has everything up to `seq`. From a program this changes nothing:
        the user's own devices may still need the push."""
        if reader.client_id is not None:
            _found(self._store.observers(chat_id, member=reader.user_id))
            return
        self._receipt(reader, chat_id, seq, self._move(reader, chat_id, delivered=seq))

    def typing(self, writer: Identity, chat_id: str, typing: bool) -> None:
        """Show the other members that somebody types, or stopped. Does nothing until the chat is
        answered."""
        others = _found(self._store.observers(chat_id, member=writer.user_id))
        data = UserTyping(chat_id=chat_id, user_id=writer.user_id, typing=typing)
        self._gateway.tell(others, TYPING.of(data))

    def cursors(self, pairs: Collection[tuple[str, str]]) -> dict[tuple[str, str], Cursors]:
        """The cursors of (chat_id, user_id) pairs that exist."""
        return self._store.cursors(pairs)

    def publish_left(self) -> int:
        """Publish the events of chats and messages that could not be published at once. Answers how
        many. Raises Unavailable."""
        return self._publisher.publish_left()

    def redeliver_pending(self) -> int:
        """Deliver what stayed pending because a send broke off. Answers how many.

        Tries each message once, until JOB_SECONDS are over or its function has LAST_SECONDS left.
        The newest come first, then the others from a random place on. So many that fail slowly do
        not keep it from the others. The socket that sent a message gets it too: clients
        drop what they know.
        """
        seconds = within(JOB_SECONDS + LAST_SECONDS) - LAST_SECONDS
        ends, delivered = time.monotonic() + seconds, 0
        time_now = self._store.now()
        due = time_now - self._pending_after
        self._tell_age(due, time_now)
        fresh = due - FRESH
        anywhere = fresh - random.random() * GIVE_UP_ON_SOCKETS  # noqa: S311, no secret
        for before, since in ((due, fresh), (fresh, anywhere), (anywhere, None)):
            after = (since, NO_CHAT, 0) if since else None
            while stored := self._store.pending(before=before, limit=JOB_BATCH, after=after):
                for one in stored:
                    if time.monotonic() > ends:
                        return delivered
                    delivered += self._redelivered(one)
                last = stored[-1].message
                after = (last.created_at, last.chat_id, last.seq)
        return delivered

    def _redelivered(self, stored: Stored) -> bool:
        ids = {"message_id": stored.message.id}
        try:
            self.deliver(stored)
        except AppError as error:
            log.warning("still pending", extra={**ids, "code": error.code})
            return False
        except Exception:
            # One that always fails must not keep back the others.
            log.exception("still pending", extra=ids)
            return False
        metrics.count("Redelivered")
        return True

    def _tell_age(self, due: datetime, time_now: datetime) -> None:
        """How long the oldest that is left has waited, 0 where none is."""
        oldest = self._store.pending(before=due, limit=1)
        age = (time_now - oldest[0].message.created_at).total_seconds() if oldest else 0
        metrics.count("OutboxAge", age)

    def push_overdue(self) -> int:
        """Push to members whose socket took a message and never acknowledged it; answers the number
        of claims.

        Goes on until nothing is overdue or JOB_SECONDS are over.
        """
        ends, claims = time.monotonic() + JOB_SECONDS, 0
        while overdue := self._connections.claim_overdue(JOB_BATCH):
            for owed in overdue:
                if time.monotonic() > ends:
                    return claims  # the others come again
                claims += 1
                try:
                    self._push_owed(owed)
                except AppError as error:
                    log.warning("still owed", extra={"chat_id": owed.chat_id, "code": error.code})
                except Exception:
                    # One that always fails must not keep back the others.
                    log.exception("still owed", extra={"chat_id": owed.chat_id})
        return claims

    def _push_owed(self, owed: Owed) -> None:
        """A page of what one member owes in a chat; the rest stays overdue."""
        missed = self._store.undelivered(
            owed.chat_id, member=owed.user_id, since=owed.since, until=owed.seq, limit=PUSH_PAGE
        )
        for message in missed or []:
            self._publisher.push(message, {owed.user_id})
            metrics.count("OverduePushed")
        self._connections.note_pushed([one.id for one in missed or []], [owed.user_id])
        if missed and len(missed) == PUSH_PAGE:
            owed = owed._replace(seq=missed[-1].seq)
            self._connections.settle([owed], rest_is_overdue=True)
        else:
            self._connections.settle([owed])

    def _changes(
        self, reader: Identity, chat_id: str, since: int, limit: int, room: int
    ) -> ChangePage:
        found = _found(
            self._store.changes(chat_id, member=reader.user_id, since=since, limit=limit)
        )
        fitting = _fitting(found.items, room)
        if len(fitting) == len(found.items):
            return found
        return ChangePage(items=fitting, rev=fitting[-1].rev, more=True)

    def _move(self, reader: Identity, chat_id: str, **cursors: int) -> Cursors:
        return _found(self._store.move_cursors(chat_id, member=reader.user_id, **cursors))

    def _receipt(self, reader: Identity, chat_id: str, seq: int, cursors: Cursors) -> None:
        """Strike out what was owed; tell those who may know when a cursor moved."""
        try:
            self._gateway.tell(
                cursors.seen_by if cursors.moved else [],
                RECEIPT.of(cursors.receipt),
                skip=reader.connection_id,
                delivered=Owed(reader.user_id, chat_id, seq),
            )
        except Unavailable as error:
            log.warning("receipt not told", extra={"dependency": error.dependency})


def _found(found: T | None) -> T:
    if found is None:
        raise ChatNotFound()
    return found


def _fitting(messages: list[Message], room: int) -> list[Message]:
    """As many of the messages, from the first, as fit into `room` bytes; at least one."""
    for count, message in enumerate(messages):
        room -= len(to_json(message))
        if room < 0 and count > 0:
            return messages[:count]
    return messages
