"""The frames of one client: a function handles a few at once, the others wait."""

import json
from collections import deque
from collections.abc import Callable

from local.functions.events import Socket, new_request_id
from local.functions.outcomes import Failure, Outcome
from local.functions.pool import WorkerPool
from local.functions.registered import Function
from local.limits import Limits

_MESSAGES = {Failure.WAITED: "Endpoint request timed out", Failure.TOO_MANY: "Too Many Requests"}


class Inbox:
    """Hands frames to the function in order, at most `limits.in_flight` at once."""

    def __init__(
        self,
        *,
        pool: WorkerPool,
        function: Function | None,
        limits: Limits,
        socket: Socket,
        send: Callable[[bytes], bool],
        changed: Callable[[], None],
    ) -> None:
        self._pool = pool
        self._function = function
        self._limits = limits
        self._socket = socket
        self._send = send
        self._changed = changed
        self._held: deque[str] = deque()
        self._in_flight = 0

    @property
    def full(self) -> bool:
        """Whether frames wait, so that no more should be read."""
        return bool(self._held)

    def take(self, body: str) -> None:
        """Handle a frame now or later."""
        if self._in_flight < self._limits.in_flight and not self._held:
            self._submit(body)
        else:
            self._held.append(body)
            self._changed()

    def clear(self) -> None:
        """Forget the frames that wait."""
        self._held.clear()

    def _submit(self, body: str) -> None:
        if self._function is None:
            return
        request_id = new_request_id()
        self._in_flight += 1
        event = self._socket.message(body, request_id)

        def done(outcome: Outcome) -> None:
            self._answered(request_id, outcome)

        self._pool.submit(self._function, event, done, wait=self._limits.integration)

    def _answered(self, request_id: str, outcome: Outcome) -> None:
        self._in_flight -= 1
        if outcome.failure is not None:
            message = _MESSAGES.get(outcome.failure, "Internal server error")
            connection_id = self._socket.connection_id
            body = {"message": message, "connectionId": connection_id, "requestId": request_id}
            self._send(json.dumps(body).encode())
        elif isinstance(outcome.result, dict) and outcome.result.get("body"):
            self._send(str(outcome.result["body"]).encode())
        while self._held and self._in_flight < self._limits.in_flight:
            self._submit(self._held.popleft())
        self._changed()
