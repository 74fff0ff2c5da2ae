"""Sends queued mail, once a minute."""

from typing import Any

from chalice import Blueprint, Rate

from chalicelib.deps import deps
from chalicelib.edge.invocation import invocation

bp = Blueprint(__name__)


@bp.schedule(Rate(1, unit=Rate.MINUTES), name="send_mails")
def send_mails(event: Any) -> None:
    """Send the mails that are due."""
    with invocation(event.context):
        deps.mails.send_due()
