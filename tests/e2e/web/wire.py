"""The sockets of one page."""

import json
import re
from typing import Any

from playwright.sync_api import (
    Page,
    WebSocketRoute,
)


class Wire:
    """The sockets of one page, which can be cut, kept away, fall silent, or lose single frames."""

    def __init__(self, page: Page) -> None:
        self.broken = False
        self.silent = False
        self.losing_answers = False
        self.events_to_lose = 0
        self.refusing: str | None = None
        self.opened = 0
        self.actions: list[str] = []
        self._sockets: list[WebSocketRoute] = []
        page.route_web_socket(re.compile(r"\?ticket="), self._open)

    def cut(self) -> None:
        """Close what is open, and whatever is opened until `mend`."""
        self.broken = True
        for socket in self._sockets:
            socket.close(code=1011)
        self._sockets.clear()

    def hang_up(self, event: str, data: dict[str, Any]) -> None:
        """Tell the page an event and close its sockets, as the server does."""
        for socket in self._sockets:
            socket.send(json.dumps({"event": event, "data": data}))
            socket.close(code=1000)
        self._sockets.clear()

    def say(self, event: str, data: dict[str, Any]) -> None:
        """An event, as if the server had sent it."""
        for socket in self._sockets:
            socket.send(json.dumps({"event": event, "data": data}))

    def mend(self) -> None:
        self.broken = self.silent = self.losing_answers = False

    def _open(self, socket: WebSocketRoute) -> None:
        self.opened += 1
        if self.broken:
            socket.close(code=1011)
            return
        server = socket.connect_to_server()
        socket.on_message(lambda frame: self._from_page(str(frame), socket, server))
        server.on_message(lambda frame: self._from_server(str(frame), socket))
        self._sockets.append(socket)

    def _from_page(self, text: str, socket: WebSocketRoute, server: WebSocketRoute) -> None:
        frame = json.loads(text)
        self.actions.append(frame["action"])
        if frame["action"] == self.refusing:
            error = {"code": "forbidden", "message": "This is refused."}
            socket.send(json.dumps({"re": frame["id"], "error": error}))
        elif not self.silent:
            server.send(text)

    def _from_server(self, text: str, socket: WebSocketRoute) -> None:
        frame = json.loads(text)
        if self.silent or (self.losing_answers and "re" in frame):
            return
        if frame.get("event") == "message.new" and self.events_to_lose:
            self.events_to_lose -= 1
            return
        socket.send(text)
