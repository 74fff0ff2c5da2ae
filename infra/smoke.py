"""`make smoke`: two people who are made for it chat on a stage, from outside, as clients do.

`python -m infra.smoke URL` does the same with any address, such as that of `make run`.
"""

import argparse
import itertools
import json
import secrets
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from infra.deploy.console import Console
from infra.deploy.errors import Stopped

SECONDS = 30.0
LARGE_BYTES = 100_000
TEXT = "x" * 4000
TEXTS = LARGE_BYTES // len(TEXT) + 5


class Failed(Stopped):
    """A step failed. The text says which answer came instead."""


class Socket:
    """A socket with answers by id, and the events that came between them."""

    def __init__(self, url: str) -> None:
        self._open = ExitStack()
        self._connection: ClientConnection = self._open.enter_context(
            connect(url, open_timeout=SECONDS, close_timeout=5, max_size=256 * 1024)
        )
        self._ids = map(str, itertools.count(1))
        self._events: list[dict[str, Any]] = []
        self.largest = 0

    def ask(self, action: str, data: dict[str, Any]) -> Any:
        """The data of the answer. Raises Failed for an error or no answer."""
        frame_id = next(self._ids)
        self._connection.send(json.dumps({"id": frame_id, "action": action, "data": data}))
        answer = self._until(lambda frame: frame.get("re") == frame_id, f"an answer to {action}")
        if "data" not in answer:
            raise Failed(f"{action} was answered with {answer.get('error', {}).get('code')}.")
        return answer["data"]

    def event(self, name: str, matches: Callable[[Any], bool]) -> Any:
        """The data of the first event of a name that matches, come or yet to come."""

        def wanted(frame: dict[str, Any]) -> bool:
            return frame.get("event") == name and matches(frame["data"])

        for frame in self._events:
            if wanted(frame):
                return frame["data"]
        return self._until(wanted, f"the event {name}")["data"]

    def cut(self) -> None:
        """Hang up without a close frame, like a phone that lost its network."""
        self._connection.socket.close()

    def close(self) -> None:
        with suppress(WebSocketException, OSError):
            self._open.close()

    def _until(self, wanted: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        ends = time.monotonic() + SECONDS
        while (left := ends - time.monotonic()) > 0:
            try:
                text = self._connection.recv(timeout=left)
            except TimeoutError:
                break
            except WebSocketException as error:
                raise Failed(f"The socket closed instead of {what}: {error}.") from None
            self.largest = max(self.largest, len(text))
            frame: dict[str, Any] = json.loads(text)
            if wanted(frame):
                return frame
            self._events.append(frame)
        raise Failed(f"No frame brought {what} within {SECONDS:.0f} s.")


class Person:
    """An account that lives as long as the test."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._password = secrets.token_urlsafe(24)
        mark = secrets.token_hex(6)
        made = self._call(
            "POST /v1/auth/register",
            {
                "username": f"smoke_{mark}",
                # AWS keeps this mailbox for tests: it takes every mail and costs no reputation.
                "email": f"success+{mark}@simulator.amazonses.com",
                "password": self._password,
                "display_name": name,
            },
        )
        self._token: str = made["access_token"]
        self.id: str = made["user"]["id"]

    def socket(self) -> Socket:
        ticket = self.call("POST /v1/socket-tickets")
        return Socket(f"{ticket['url']}?ticket={ticket['ticket']}")

    def delete(self) -> None:
        self.call("POST /v1/users/me/delete", {"password": self._password})

    def call(self, route: str, body: Any = None) -> Any:
        return self._call(route, body, self._token)

    def _call(self, route: str, body: Any = None, token: str = "") -> Any:
        method, path = route.split(" ")
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(  # noqa: S310 (the operator names it)
            self._url + path, data=data, headers=headers, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            said = error.read(2000).decode(errors="replace")
            raise Failed(f"{route} was answered with {error.code}: {said}") from None
        except (OSError, ValueError) as error:
            raise Failed(f"{route} had no answer: {error}.") from None


class Smoke:
    """One run. `push_token`: of a real device, whose screen the operator looks at."""

    def __init__(self, url: str, console: Console, push_token: str = "") -> None:
        self._url = url.rstrip("/")
        self._console = console
        self._push_token = push_token
        self._people: list[Person] = []
        self._sockets: list[Socket] = []

    def run(self) -> None:
        """Do all steps. Delete both accounts in any case. Raises Failed."""
        try:
            self._console.run(
                [
                    ("two accounts", self._register),
                    ("sockets", self._open),
                    ("a message and its answer", self._talk),
                    ("an answer of 100 KB", self._catch_up),
                    ("somebody whose socket is gone", self._lose),
                ]
            )
        finally:
            self._clean_up()

    def _register(self) -> str:
        self._people = [Person(self._url, "Smoke A"), Person(self._url, "Smoke B")]
        return "registered"

    def _open(self) -> str:
        self._sockets = [person.socket() for person in self._people]
        return "both open"

    def _talk(self) -> str:
        ana, bo = self._people
        at_ana, at_bo = self._sockets
        chat = ana.call("POST /v1/chats", {"kind": "direct", "user_id": bo.id})
        self._chat_id: str = chat["id"]
        started = time.monotonic()
        self._send(at_ana, "ping")
        seq = at_bo.event("message.new", lambda data: self._says(data, "ping"))["seq"]
        took = time.monotonic() - started
        at_bo.ask("chat.delivered", {"chat_id": self._chat_id, "seq": seq})
        self._send(at_bo, "pong")
        at_ana.event("message.new", lambda data: self._says(data, "pong"))
        return f"{took * 1000:.0f} ms from one socket to the other"

    def _catch_up(self) -> str:
        at_ana, at_bo = self._sockets
        for number in range(TEXTS):
            self._send(at_ana, f"{number} {TEXT}")
        since, came, more = 0, 0, True
        while more:
            found = at_bo.ask(
                "chat.changes", {"chat_id": self._chat_id, "since": since, "limit": 200}
            )
            since, more = found["rev"], found["more"]
            came += len(found["items"])
        if came != TEXTS + 2:
            raise Failed(f"{came} messages came instead of {TEXTS + 2}.")
        self._rev = since
        if at_bo.largest < LARGE_BYTES * 0.9:
            raise Failed(f"The largest answer had {at_bo.largest} bytes only.")
        return f"{at_bo.largest // 1000} KB in one answer"

    def _lose(self) -> str:
        _, bo = self._people
        at_ana, at_bo = self._sockets
        at_bo.ask("ping", {})  # until then a 410 may mean that $connect has not returned
        seen = at_ana.ask("presence.watch", {"user_ids": [bo.id]})["items"]
        if [one["online"] for one in seen] != [True]:
            raise Failed("Somebody with an open socket is not shown as online.")
        if self._push_token:
            route = "PUT /v1/users/me/push-tokens/smoke"
            bo.call(route, {"token": self._push_token, "platform": "android"})
        at_bo.cut()
        self._send(at_ana, "while you were gone")
        # Whichever comes first drops the socket: $disconnect, or the 410 that the message met.
        at_ana.event("presence", lambda data: data["user_id"] == bo.id and not data["online"])
        if self._push_token:
            self._console.confirm('Does the device show "while you were gone"?')
        self._sockets[1] = back = bo.socket()
        news = back.ask("sync", {"chats": {self._chat_id: self._rev}})
        texts = [one for chat in news["items"] for one in chat["changes"]]
        if not any(self._says(one, "while you were gone") for one in texts):
            raise Failed("The message that was sent meanwhile did not come with sync.")
        return "it was dropped, and sync brought the message" + (
            ", and so did the push" if self._push_token else ""
        )

    def _send(self, socket: Socket, text: str) -> None:
        content = {"kind": "text", "text": text}
        frame = {"chat_id": self._chat_id, "client_id": secrets.token_hex(8), "content": content}
        socket.ask("message.send", frame)

    def _says(self, message: Any, text: str) -> bool:
        return bool(message["chat_id"] == self._chat_id and message["content"]["text"] == text)

    def _clean_up(self) -> None:
        for socket in self._sockets:
            socket.close()
        for person in self._people:
            with suppress(Failed):
                person.delete()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m infra.smoke", description=__doc__)
    parser.add_argument("url", help="such as http://127.0.0.1:8000")
    parser.add_argument("--push-token", default="", help="of a device that nobody is signed in on")
    given = parser.parse_args(arguments)
    try:
        Smoke(given.url, Console(), given.push_token).run()
    except Failed as problem:
        sys.exit(f"\n{problem}")
    except KeyboardInterrupt:
        sys.exit("\nStopped.")


if __name__ == "__main__":
    main()
