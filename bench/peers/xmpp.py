"""A load generator for XMPP servers, with the jobs and answers of `bench.load`."""

import asyncio
import base64
import json
import sys
from itertools import count
from time import perf_counter
from typing import Any, cast
from xml.parsers import expat

import uvloop

from bench.load import ARRIVAL_SECONDS, TEXT, say
from bench.peers.servers import DOMAIN, HOST, PASSWORD
from bench.samples import percentiles

OPEN_SECONDS = 30.0
_OPENING = (
    f"<?xml version='1.0'?><stream:stream to='{DOMAIN}' version='1.0' xmlns='jabber:client' "
    "xmlns:stream='http://etherx.jabber.org/streams'>"
).encode()
_BIND = (
    b"<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
    b"<iq type='set' id='session'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>"
    b"<presence/>",
)


class Stream(asyncio.Protocol):
    """One user's connection. A message completes the future that waits for its id."""

    def __init__(self, user: str, awaited: dict[str, "asyncio.Future[float]"]) -> None:
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._user = user
        self._awaited = awaited
        self._signed_in = False
        self._steps = iter(_BIND)
        self._came_at = 0.0

    def send(self, to: str, message_id: str) -> None:
        """Send a message of the usual text."""
        head = f"<message type='chat' to='{to}@{DOMAIN}' id='{message_id}'>"
        self._transport.write(f"{head}<body>{TEXT}</body></message>".encode())

    # -- the transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._open()

    def data_received(self, data: bytes) -> None:
        self._came_at = perf_counter()
        self._parser.Parse(data, False)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("the server hung up"))

    def _open(self) -> None:
        self._depth = 0
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._begins
        self._parser.EndElementHandler = self._ends
        self._transport.write(_OPENING)

    def _begins(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 2 and name == "message":
            awaited = self._awaited.pop(attributes.get("id", ""), None)
            if awaited is not None and not awaited.done():
                awaited.set_result(self._came_at)

    def _ends(self, name: str) -> None:
        self._depth -= 1
        if self._depth != 1 or self.opened.done():
            return
        if name == "stream:features" and not self._signed_in:
            plain = base64.b64encode(f"\0{self._user}\0{PASSWORD}".encode()).decode()
            sasl = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'"
            self._transport.write(f"<auth {sasl}>{plain}</auth>".encode())
        elif name == "success":
            self._signed_in = True
            asyncio.get_running_loop().call_soon(self._open)
        elif name in ("stream:features", "iq"):
            step = next(self._steps, None)
            if step is None:
                self.opened.set_result(None)
            else:
                self._transport.write(step)
        else:
            self.opened.set_exception(ConnectionError(f"<{name}> while signing in"))


class Load:
    """Closed loops between pairs of users, as `bench.load` runs them."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: list[Stream] = []
        self._awaited: dict[str, asyncio.Future[float]] = {}
        self._runs = count(1)

    async def pairs(
        self, *, pairs: int, under_way: int, warm_up: float, seconds: float
    ) -> dict[str, Any]:
        """As in `bench.load`; a message is done when it has arrived."""
        await self._connect(2 * pairs)
        run = next(self._runs)
        ends = perf_counter() + warm_up + seconds
        arrivals: list[tuple[float, float]] = []
        loops = [
            asyncio.create_task(
                self._talk(sender, (sender + place) % pairs, f"{run}-{place}", ends, arrivals)
            )
            for sender in range(pairs)
            for place in range(under_way)
        ]
        await asyncio.sleep(warm_up)
        say("measuring")
        started = perf_counter()
        await asyncio.sleep(seconds)
        ended = perf_counter()
        say("measured")
        lost = sum(await asyncio.gather(*loops))
        counted = [came - sent for sent, came in arrivals if started <= came <= ended]
        return {
            "pairs": pairs,
            "under_way": under_way,
            "seconds": round(ended - started, 3),
            "messages": len(counted),
            "per_second": round(len(counted) / (ended - started), 1),
            "delivery_ms": percentiles(counted),
            "arrived": len(arrivals),
            "lost": lost,
        }

    async def _connect(self, users: int) -> None:
        loop = asyncio.get_running_loop()
        for number in range(len(self._streams), users):
            _, stream = await loop.create_connection(
                lambda user=f"u{number}": Stream(user, self._awaited),  # type: ignore[misc]
                HOST,
                self._port,
            )
            async with asyncio.timeout(OPEN_SECONDS):
                await stream.opened
            self._streams.append(stream)

    async def _talk(
        self,
        sender: int,
        receiver: int,
        prefix: str,
        ends: float,
        arrivals: list[tuple[float, float]],
    ) -> int:
        """Send until time is up; how many did not arrive."""
        loop = asyncio.get_running_loop()
        lost = 0
        for number in count():
            if perf_counter() >= ends:
                break
            message_id = f"{prefix}-{sender}-{number}"
            awaited = self._awaited[message_id] = loop.create_future()
            sent = perf_counter()
            self._streams[2 * sender].send(f"u{2 * receiver + 1}", message_id)
            try:
                async with asyncio.timeout(ARRIVAL_SECONDS):
                    arrivals.append((sent, await awaited))
            except TimeoutError:
                lost += 1
        return lost


async def main(port: int) -> None:
    """Take jobs from standard input until it ends."""
    loop = asyncio.get_running_loop()
    load = Load(port)
    say("ready")
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        job = json.loads(line)
        say("result", **await getattr(load, job.pop("job"))(**job))


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
