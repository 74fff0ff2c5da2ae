"""Housekeeping of sessions, mailed links and the audit log, once a day."""

import logging
from typing import Any

from chalice import Blueprint, Rate

from chalicelib.deps import deps
from chalicelib.edge.invocation import invocation

log = logging.getLogger(__name__)

bp = Blueprint(__name__)


@bp.schedule(Rate(1, unit=Rate.DAYS), name="purge_sessions")
def purge_sessions(event: Any) -> None:
    """Delete sessions that ended long ago and links that have expired; forget old addresses."""
    with invocation(event.context):
        log.info("sessions purged", extra={"count": deps.auth.purge_sessions()})
        log.info("links purged", extra={"count": deps.recovery.purge()})
        log.info("addresses forgotten", extra={"count": deps.admin.forget_addresses()})
