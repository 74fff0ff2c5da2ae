"""Delivers a stored message: to sockets, to the push queues, and to other services as an event."""

from datetime import timedelta
from typing import TYPE_CHECKING

from chalicelib.errors import Unavailable
from chalicelib.errors.counted import unavailable
from chalicelib.messages.models import MESSAGE_NEW, Stored
from chalicelib.wire import now

if TYPE_CHECKING:
    from chalicelib.broker.publisher import Begun
    from chalicelib.live.connections import Connections
    from chalicelib.live.gateway import Gateway
    from chalicelib.messages.delivery.publisher import Publisher
    from chalicelib.messages.store.outbox import Outbox

# If a user's socket cannot be reached for this long, the user counts as absent and gets a push.
GIVE_UP_ON_SOCKETS = timedelta(hours=1)


class Delivery:
    """A message is in the outbox until every member was sent it or has a queued push."""

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

    def deliver(self, stored: Stored, *, skip: str | None = None) -> None:
        """Send to open sockets but `skip`, queue pushes to absent members, publish the event,
        settle. Safe to repeat: no member gets a second push.

        Raises Unavailable if the message stays pending.
        """
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
            # The first attempt published the event, and the last attempt publishes it again.
            self._publisher.push(message, absent - pushed)
        else:
            published = self._publisher.finish(message, absent - pushed, begun)
        try:
            if left:
                raise unavailable("gateway")
            self._outbox.settle(message, published=published)
        except Unavailable:
            self._connections.note_pushed([message.id], absent)
            raise
