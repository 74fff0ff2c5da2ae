"""Tells the head of a WebSocket handshake from the bytes after it."""

_END = b"\r\n\r\n"


class Head:
    """Passes on the head. What the client sends before it is accepted waits in `early`."""

    def __init__(self) -> None:
        self.early = b""
        self._over = False
        self._last = b""

    def take(self, data: bytes) -> bytes:
        """The part of `data` that belongs to the head."""
        if self._over:
            self.early += data
            return b""
        seen = self._last + data
        end = seen.find(_END)
        if end < 0:
            self._last = seen[1 - len(_END) :]
            return data
        self._over = True
        self.early = seen[end + len(_END) :]
        return data[: len(data) - len(self.early)]
