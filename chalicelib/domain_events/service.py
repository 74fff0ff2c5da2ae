"""Publishes the events about users and sessions: at least once each, in any order."""

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from pydantic import ValidationError

from chalicelib import metrics
from chalicelib.broker.cloud_events import CloudEvent
from chalicelib.config import Settings
from chalicelib.domain_events.models import TYPES
from chalicelib.errors import Unavailable

if TYPE_CHECKING:
    from chalicelib.broker.publisher import Broker
    from chalicelib.domain_events.outbox import EventOutbox, Waiting

log = logging.getLogger(__name__)

BATCH = 200
JOB_SECONDS = 8.0
"""After this time a run of the job begins no more batches: its function has other work."""

REST_SECONDS = 30.0
"""For this long after a failure, requests leave their events to the job."""


class DomainEvents:
    """An event that cannot be published now, because a server is down or the function dies, stays
    in the outbox for the job."""

    def __init__(
        self, settings: Settings, *, outbox: "EventOutbox", broker: "Callable[[], Broker]"
    ) -> None:
        self._issuer = settings.issuer
        self._outbox = outbox
        self._broker = broker
        self._failed_at = 0.0

    def publish(self) -> None:
        """Publish one batch of what waits: two round trips to PostgreSQL, one to RabbitMQ. Never
        fails. Does nothing for REST_SECONDS after a failure."""
        if 0 <= time.time() - self._failed_at < REST_SECONDS:
            return
        try:
            self._publish_batch()
        except Unavailable as error:
            self._failed_at = time.time()
            log.warning("events left to the job", extra={"dependency": error.dependency})
        except Exception:
            # The change is made, so the request must not fail for this.
            log.exception("events left to the job")

    def publish_left(self) -> int:
        """Publish all that waits, in batches, until JOB_SECONDS are over. Answers how many were
        claimed. Raises Unavailable."""
        ends, published = time.monotonic() + JOB_SECONDS, 0
        metrics.count("EventsAge", self._outbox.age())
        while time.monotonic() < ends:
            batch = self._publish_batch()
            published += batch
            if batch < BATCH:
                break
        return published

    def _publish_batch(self) -> int:
        batch = self._outbox.claim(BATCH)
        if events := list(filter(None, map(self._event, batch))):
            self._broker().publish_events(events)
            self._outbox.remove([event.id for event in events])
        return len(batch)

    def _event(self, one: "Waiting") -> CloudEvent | None:
        try:
            data = TYPES[one.type].model_validate(one.data)
        except (KeyError, ValidationError):
            # A later version of the code wrote it, and was rolled back. It waits for that version.
            log.error("event not understood", extra={"event_id": one.id, "type": one.type})
            return None
        return CloudEvent.of(data, one.id, time=one.at, issuer=self._issuer)
