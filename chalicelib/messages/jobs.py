"""Jobs that run every minute: redelivery, overdue pushes, and sockets of revoked sessions."""

import logging
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from chalice import Blueprint, Rate

from chalicelib.deps import deps
from chalicelib.edge.invocation import invocation
from chalicelib.errors import Unavailable

log = logging.getLogger(__name__)

bp = Blueprint(__name__)


@bp.schedule(Rate(1, unit=Rate.MINUTES), name="redeliver_pending")
def redeliver_pending(event: Any) -> None:
    """Close open sockets of revoked sessions, publish the events in the outboxes, and deliver
    messages whose sender's function died before it delivered them.

    One function does all three: they are short, and each function needs a container.
    """
    # Each runs even if another one fails. The last one on the stack runs first.
    with invocation(event.context), ExitStack() as jobs:
        jobs.callback(deps.redelivery.redeliver_pending)
        jobs.callback(_publish, deps.publisher.publish_left)
        jobs.callback(_publish, deps.domain_events.publish_left)
        jobs.callback(_finish_revoked)


def _finish_revoked() -> None:
    try:
        if finished := deps.auth.finish_revoked():
            log.warning("revoked sessions closed late", extra={"count": finished})
    except Unavailable as error:
        log.warning("revoked sessions left", extra={"dependency": error.dependency})


def _publish(publish_left: Callable[[], int]) -> None:
    try:
        if published := publish_left():
            log.info("events published late", extra={"count": published})
    except Unavailable as error:
        log.warning("events left", extra={"dependency": error.dependency})


@bp.schedule(Rate(1, unit=Rate.MINUTES), name="push_overdue")
def push_overdue(event: Any) -> None:
    """Push to members whose socket took a message and did not acknowledge it."""
    with invocation(event.context):
        deps.redelivery.push_overdue()
