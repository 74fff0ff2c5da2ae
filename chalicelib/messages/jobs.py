"""What runs every minute: nothing that was stored stays undelivered."""

from typing import Any

from chalice import Blueprint, Rate

from chalicelib.deps import deps
from chalicelib.invocation import invocation

bp = Blueprint(__name__)


@bp.schedule(Rate(1, unit=Rate.MINUTES), name="redeliver_pending")
def redeliver_pending(event: Any) -> None:
    """Deliver messages whose sender's invocation died before it had delivered them."""
    with invocation(event.context):
        deps.messages.redeliver_pending()


@bp.schedule(Rate(1, unit=Rate.MINUTES), name="push_overdue")
def push_overdue(event: Any) -> None:
    """Push to members whose socket swallowed a message."""
    with invocation(event.context):
        deps.messages.push_overdue()
