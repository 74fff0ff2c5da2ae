"""Pushes of programs over HTTP."""

from chalice import Blueprint

from chalicelib.auth.models import Program
from chalicelib.deps import deps
from chalicelib.notify.models import NewPush, PushResult
from chalicelib.rest import endpoint

bp = Blueprint(__name__)


@endpoint(bp, "POST /v1/push", scope="push.send")
def push_at_once(program: Program, body: NewPush) -> PushResult:
    """Push to all devices of users at once, and answer what became of it."""
    return deps.direct_push.send(program, body)
