"""The function that RabbitMQ triggers: an `aws:rmq` event in, a batch of records out."""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any

from chalice import Blueprint

from chalicelib.deps import deps
from chalicelib.edge.invocation import invocation
from chalicelib.notify.models import Record

bp = Blueprint(__name__)

_QUEUE = re.compile(r"push\.(\d+)(::|$)")


@bp.lambda_function(name="notify")
def notify(event: dict[str, Any], context: Any) -> None:
    """Push a batch. Raising makes AWS deliver all of it again."""
    with invocation(context):
        deps.notifier.notify(list(records(event)))


def records(event: dict[str, Any]) -> Iterator[Record]:
    """The records of an `aws:rmq` event, in the order of their queue."""
    for name, messages in event["rmqMessagesByQueue"].items():
        queue = _QUEUE.match(name)
        for message in messages:
            headers = (message.get("basicProperties") or {}).get("headers") or {}
            yield Record(
                body=_body(message.get("data")),
                shard=int(queue[1]) if queue else 0,
                attempt=_attempt(headers.get("tries", headers.get("attempt"))),
            )


def _body(data: Any) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (TypeError, ValueError, binascii.Error):
        return str(data).encode()


def _attempt(header: Any) -> int:
    """Numbers arrive as they are, strings as lists of byte values."""
    try:
        return max(0, int(bytes(header["bytes"]) if isinstance(header, dict) else header))
    except (KeyError, TypeError, ValueError):
        return 0
