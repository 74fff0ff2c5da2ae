"""Pushes of programs over HTTP."""

from chalice import Blueprint

from chalicelib.deps import deps
from chalicelib.edge.rest import endpoint
from chalicelib.identity import Program
from chalicelib.notify.models import NewPush, PushResult

bp = Blueprint(__name__)


@endpoint(bp, "POST /v1/push", tag="Push", scope="push.send")
def push_at_once(program: Program, body: NewPush) -> PushResult:
    """Push a notification to all devices of users.

    For programs in their own name. It is sent at once, and the answer has the outcome.
    """
    return deps.direct_push.send(program, body)
