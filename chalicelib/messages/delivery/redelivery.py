"""Redelivery by jobs: of pending changes, and of messages that were not acknowledged."""

import logging
import random
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from chalicelib import metrics
from chalicelib.config import Settings
from chalicelib.deadline import within
from chalicelib.errors import AppError
from chalicelib.live.models import Owed
from chalicelib.messages.delivery.service import GIVE_UP_ON_SOCKETS
from chalicelib.messages.models.changes import Change
from chalicelib.messages.store.outbox import NO_CHAT

if TYPE_CHECKING:
    from chalicelib.live.connections import Connections
    from chalicelib.messages.delivery.publisher import Publisher
    from chalicelib.messages.delivery.service import Delivery
    from chalicelib.messages.store.outbox import Outbox
    from chalicelib.messages.store.timeline import Timeline

log = logging.getLogger(__name__)

JOB_BATCH = 200
PUSH_PAGE = 50
# A change that has been due for less than this was tried twice at most.
FRESH = timedelta(minutes=2)
# Seconds after which a job begins no more work. The work that it has begun ends well within its
# function's minute.
JOB_SECONDS = 35
# A job begins no delivery in the last seconds of its function, since one can take long. Other work
# may have used up the function's time.
LAST_SECONDS = 12


class Redelivery:
    """Tries again until the change was sent to each member. For a new message, a queued push is
    enough."""

    def __init__(
        self,
        settings: Settings,
        *,
        timeline: "Timeline",
        outbox: "Outbox",
        connections: "Connections",
        delivery: "Delivery",
        publisher: "Publisher",
    ) -> None:
        self._pending_after = timedelta(seconds=settings.pending_after_seconds)
        self._timeline = timeline
        self._outbox = outbox
        self._connections = connections
        self._delivery = delivery
        self._publisher = publisher

    def redeliver_pending(self) -> int:
        """Deliver changes that stayed pending because the function that made them died. Returns
        how many.

        Tries each change once, until JOB_SECONDS are over or its function has LAST_SECONDS left.
        The newest come first, then the others from a random place on. So if many slow failures fill
        up a run, it does not always miss the same changes. The socket that made a change gets it
        too: clients ignore versions that they have.
        """
        seconds = within(JOB_SECONDS + LAST_SECONDS) - LAST_SECONDS
        ends, delivered = time.monotonic() + seconds, 0
        time_now = self._timeline.now()
        due = time_now - self._pending_after
        self._count_age(due, time_now)
        fresh = due - FRESH
        anywhere = fresh - random.random() * GIVE_UP_ON_SOCKETS  # noqa: S311, no secret
        for before, since in ((due, fresh), (fresh, anywhere), (anywhere, None)):
            after = (since, NO_CHAT, 0) if since else None
            while changes := self._outbox.pending(before=before, limit=JOB_BATCH, after=after):
                for change in changes:
                    if time.monotonic() > ends:
                        return delivered
                    delivered += self._redelivered(change)
                last = changes[-1]
                after = (last.at, last.chat_id, last.rev)
        return delivered

    def push_overdue(self) -> int:
        """Push to members whose socket took a message and did not acknowledge it in time. Returns
        how many acknowledgements were overdue.

        Continues until none is overdue or JOB_SECONDS are over.
        """
        ends, claims = time.monotonic() + JOB_SECONDS, 0
        while overdue := self._connections.claim_overdue(JOB_BATCH):
            for owed in overdue:
                if time.monotonic() > ends:
                    return claims  # a later run handles the others
                claims += 1
                try:
                    self._push_owed(owed)
                except AppError as error:
                    log.warning("still owed", extra={"chat_id": owed.chat_id, "code": error.code})
                except Exception:
                    # One that always fails must not stop the others.
                    log.exception("still owed", extra={"chat_id": owed.chat_id})
        return claims

    def _redelivered(self, change: Change) -> bool:
        ids = {"chat_id": change.chat_id, "rev": change.rev}
        try:
            self._delivery.deliver(change)
        except AppError as error:
            log.warning("still pending", extra={**ids, "code": error.code})
            return False
        except Exception:
            # One that always fails must not stop the others.
            log.exception("still pending", extra=ids)
            return False
        metrics.count("Redelivered")
        return True

    def _count_age(self, due: datetime, time_now: datetime) -> None:
        """Count the metric of how many seconds the oldest due change has waited; 0 if there is
        none."""
        oldest = self._outbox.pending(before=due, limit=1)
        age = (time_now - oldest[0].at).total_seconds() if oldest else 0
        metrics.count("OutboxAge", age)

    def _push_owed(self, owed: Owed) -> None:
        """Push one page of the messages that a member owes an acknowledgement of in a chat. The
        rest stays overdue."""
        missed = self._timeline.undelivered(
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
