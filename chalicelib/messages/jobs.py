"""What runs every minute: nothing that was stored stays undelivered, and nobody signed in who is
signed out."""

import logging
from typing import Any

from chalice import Blueprint, Rate

from chalicelib.deps import deps
from chalicelib.errors import Unavailable
from chalicelib.invocation import invocation

log = logging.getLogger(__name__)

bp = Blueprint(__name__)


@bp.schedule(Rate(1, unit=Rate.MINUTES), name="redeliver_pending")
def redeliver_pending(event: Any) -> None:
    """Close what revoked sessions left open, and deliver messages whose sender's invocation died
    before it had delivered them.

    One function for both: both are short, may post to sockets, and each function costs a container.
    """
    with invocation(event.context):
        try:
            if finished := deps.auth.finish_revoked():
                log.warning("revoked sessions closed late", extra={"count": finished})
        except Unavailable as error:
            log.warning("revoked sessions left", extra={"dependency": error.dependency})
        finally:
            deps.messages.redeliver_pending()


@bp.schedule(Rate(1, unit=Rate.MINUTES), name="push_overdue")
def push_overdue(event: Any) -> None:
    """Push to members whose socket swallowed a message."""
    with invocation(event.context):
        deps.messages.push_overdue()
