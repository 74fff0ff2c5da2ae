"""Queues pushes, and publishes the events about chats and messages: at least once each."""

import logging
import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from pydantic import ValidationError

from chalicelib import metrics
from chalicelib.broker.cloud_events import CloudEvent
from chalicelib.broker.pushes import MessageUnread
from chalicelib.config import Settings
from chalicelib.errors import Unavailable
from chalicelib.messages.events import ChatEvent
from chalicelib.messages.models.messages import Message
from chalicelib.messages.store.outbox import NO_CHAT
from chalicelib.wire import now

if TYPE_CHECKING:
    from chalicelib.broker.publisher import Begun, Broker
    from chalicelib.messages.store.outbox import Outbox

log = logging.getLogger(__name__)

BATCH = 200
JOB_SECONDS = 8.0
"""After this many seconds, a run of the job begins no more batches: its function has other work."""


class Publisher:
    """An event that cannot be published now stays in the outbox. A job publishes it later."""

    def __init__(
        self, settings: Settings, *, outbox: "Outbox", broker: "Callable[[], Broker]"
    ) -> None:
        self._issuer = settings.issuer
        self._of_messages = settings.message_events
        self._outbox = outbox
        self._broker = broker
        self._used = False

    def begin(self, message: Message, absent: Collection[str]) -> "Begun | None":
        """Send the event of a new message, without waiting for the confirm. None if `finish` sends
        it instead: together with a push if a member is absent; or in a new container, which still
        has to load the driver and connect."""
        if not self._of_messages or not self._used or _unread(message, absent):
            return None
        return self._broker().begin([self._event(ChatEvent.of(message))])

    def finish(self, message: Message, absent: Collection[str], begun: "Begun | None") -> bool:
        """Queue the pushes of a message. Returns whether its event is done: published, or turned
        off by a setting.

        Raises Unavailable if there are pushes and they are not queued.
        """
        pushes = _unread(message, absent)
        if not self._of_messages:
            self._push(pushes)
            return True
        self._used = True
        broker = self._broker()
        begun = begun or broker.prepare([self._event(ChatEvent.of(message))])
        return broker.finish(begun, pushes)

    def push(self, message: Message, absent: Collection[str]) -> None:
        """Queue the pushes of a message, without its event. Raises Unavailable if they are not
        queued."""
        self._push(_unread(message, absent))

    def opened(self, event: ChatEvent) -> None:
        """Publish the event of a new chat. If that fails, the job does it."""
        self._used = True
        try:
            broker = self._broker()
            if broker.finish(broker.prepare([self._event(event)]), ()):
                self._outbox.published([event])
        except Unavailable as error:
            log.warning("event left to the job", extra={"dependency": error.dependency})

    def publish_left(self) -> int:
        """Publish the events that wait in the outbox, in batches, until JOB_SECONDS are over.
        Answers how many. Raises Unavailable."""
        ends, published, last, age = time.monotonic() + JOB_SECONDS, 0, NO_CHAT, 0.0
        try:
            while time.monotonic() < ends:
                waiting = self._outbox.unpublished(limit=BATCH, after=last)
                if not waiting:
                    break
                last = waiting[-1].id
                age = max(age, *((now() - event.at).total_seconds() for event in waiting))
                published += self._publish(waiting)
        finally:
            metrics.count("EventsAge", age)
        return published

    def _publish(self, waiting: Collection[ChatEvent]) -> int:
        """Publish events. Events of a later version of the code, which was rolled back, stay in the
        outbox until that version is back."""
        known: list[tuple[ChatEvent, CloudEvent]] = []
        for event in waiting:
            try:
                known.append((event, self._event(event)))
            except (KeyError, ValidationError):
                log.error("event not understood", extra={"event_id": event.id, "type": event.type})
        self._broker().publish_events([cloud_event for _, cloud_event in known])
        self._outbox.published([event for event, _ in known])
        return len(known)

    def _event(self, event: ChatEvent) -> CloudEvent:
        return event.published_by(self._issuer)

    def _push(self, pushes: list[MessageUnread]) -> None:
        if pushes:
            self._broker().publish_all(pushes)


def _unread(message: Message, absent: Collection[str]) -> list[MessageUnread]:
    user_ids = sorted(set(absent) - {message.sender_id})
    if not user_ids or message.content is None:
        return []
    return [
        MessageUnread(
            message_id=message.id,
            chat_id=message.chat_id,
            seq=message.seq,
            sender_id=message.sender_id,
            preview=message.content.preview(),
            sent_at=message.created_at,
            user_ids=user_ids,
        )
    ]
