"""The real gateway without the network, and an event to give it."""

from collections.abc import Iterable
from typing import Any

from pydantic_core import from_json

from chalicelib.live.connections import Connections
from chalicelib.live.gateway import Gateway
from chalicelib.messages.content import TextContent
from chalicelib.messages.models.messages import Message
from chalicelib.messages.models.socket_events import MESSAGE_NEW
from chalicelib.wire import now

EVENT = MESSAGE_NEW.of(
    Message(
        id="m",
        chat_id="c",
        seq=3,
        rev=3,
        sender_id="ana",
        client_id="x",
        content=TextContent(kind="text", text="é"),
        created_at=now(),
    )
)


class Posts(Gateway):
    """Keeps what sockets took. `statuses`: what posts to a connection are answered, if not 200; one
    that is `stuck` cannot be closed either."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.statuses: dict[str, int] = {}
        self.stuck: set[str] = set()

    def _each(
        self,
        connection_ids: Iterable[str],
        method: str,
        body: bytes,
        ends: float,
        *,
        patient: bool = False,
    ) -> list[int]:
        event = from_json(body) if method == "POST" else {"closed": True}
        ids = list(connection_ids)
        refused = self.statuses if method == "POST" else self.stuck
        self.sent += [(one, event) for one in ids if one not in refused]
        return [self.statuses.get(one, 200) if one in refused else 200 for one in ids]
