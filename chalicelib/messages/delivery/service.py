"""Delivers changes of chats: to sockets; new messages also to the push queues, and to other
services as an event."""

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from chalicelib import metrics
from chalicelib.errors import Unavailable
from chalicelib.errors.counted import unavailable
from chalicelib.messages.models.changes import Change
from chalicelib.messages.models.chats import ChatState
from chalicelib.messages.models.messages import Message
from chalicelib.messages.models.socket_events import CHAT_CHANGED, MESSAGE_CHANGED, MESSAGE_NEW
from chalicelib.wire import now

if TYPE_CHECKING:
    from chalicelib.broker.publisher import Begun
    from chalicelib.live.connections import Connections
    from chalicelib.live.events import Event
    from chalicelib.live.gateway import Gateway
    from chalicelib.messages.delivery.publisher import Publisher
    from chalicelib.messages.store.outbox import Outbox

log = logging.getLogger(__name__)

# If a user's socket cannot be reached for this long, the user counts as absent: a new message is
# pushed, and a sync brings every other change.
GIVE_UP_ON_SOCKETS = timedelta(hours=1)


class Delivery:
    """A change stays in the outbox until it was sent to all open sockets of the members. For a new
    message, a push is also queued for each member without a socket."""

    def __init__(
        self,
        *,
        outbox: "Outbox",
        connections: "Connections",
        gateway: "Gateway",
        publisher: "Publisher",
    ) -> None:
        self._outbox = outbox
        self._connections = connections
        self._gateway = gateway
        self._publisher = publisher

    def attempt(self, change: Change, *, skip: str | None = None) -> None:
        """Deliver a change that was just stored. If that fails, the caller gets no error: the
        change stays pending, and redelivery delivers it."""
        try:
            self.deliver(change, skip=skip)
        except Exception:
            log.exception("left pending", extra={"chat_id": change.chat_id, "rev": change.rev})
            metrics.count("LeftPending")

    def deliver(self, change: Change, *, skip: str | None = None) -> None:
        """Send the change, in its newest state, to open sockets but `skip`, and settle. Safe to
        repeat.

        For a new message, also queue a push to each absent member, never two, and publish the
        event.

        Raises Unavailable if the change stays pending.
        """
        message = change.new_message
        if message is None or message.deleted_at is not None:
            self._tell(change, message, skip)
        else:
            self._deliver_new(change, message, skip)

    def _tell(self, change: Change, deleted: Message | None, skip: str | None) -> None:
        event, published = _event(change), True
        if deleted is not None:  # before its delivery: only other services learn of the message
            published = self._publisher.finish(deleted, (), None)
        if event is not None:
            failed = self._gateway.tell_all(
                change.member_ids, event, skip=skip, again=not change.first
            )
            if failed and now() - change.at < GIVE_UP_ON_SOCKETS:
                raise unavailable("gateway")
        self._outbox.settle(change, published=published)

    def _deliver_new(self, change: Change, message: Message, skip: str | None) -> None:
        member_ids = change.member_ids
        begun: Begun | None = None

        def begin(absent: set[str]) -> None:
            nonlocal begun
            begun = self._publisher.begin(message, absent) if change.first else None

        pushed = set() if change.first else self._connections.pushed(message.id)
        delivery = self._gateway.deliver(
            member_ids,
            MESSAGE_NEW.of(message),
            chat_id=message.chat_id,
            seq=message.seq,
            sender_id=message.sender_id,
            skip=skip,
            pushed=pushed,
            again=not change.first,
            meanwhile=begin,
        )
        giving_up = now() - message.created_at >= GIVE_UP_ON_SOCKETS
        absent = set(member_ids) if delivery.failed and giving_up else delivery.unreached
        left = delivery.failed and not giving_up
        if left and not change.first:
            # The first attempt published the event, and the last attempt publishes it again.
            self._publisher.push(message, absent - pushed)
        else:
            published = self._publisher.finish(message, absent - pushed, begun)
        try:
            if left:
                raise unavailable("gateway")
            self._outbox.settle(change, published=published)
        except Unavailable:
            self._connections.note_pushed([message.id], absent)
            raise


def _event(change: Change) -> "Event | None":
    """The event for the sockets. None if the message or the state has changed again since: that
    later change has its own event."""
    if change.newest.rev != change.rev:
        return None
    if isinstance(change.newest, ChatState):
        return CHAT_CHANGED.of(change.newest)
    return MESSAGE_CHANGED.of(change.newest)
