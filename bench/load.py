"""The load generator, in its own process: takes jobs as lines of JSON, answers with such lines.

    {"job": "pairs", "pairs": 10, "under_way": 1, "warm_up": 1, "seconds": 5, "acknowledge": false}
    {"job": "devices", "devices": 5, "messages": 40}

It says {"event": "measuring"} and {"event": "measured"} around the time that counts, and ends each
job with {"event": "result", …}.
"""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import count
from time import perf_counter
from typing import Any

import aiohttp
import uvloop

from bench.link import Link, Refused
from bench.people import AT_ONCE, Lane, People, each
from bench.samples import percentiles

ARRIVAL_SECONDS = 20.0

TEXT = "The quick brown fox jumps over the lazy dog, twice a day."


def say(event: str, **more: Any) -> None:
    """One line to the process that started this one."""
    print(json.dumps({"event": event, **more}), flush=True)


@dataclass
class Awaited:
    """A message on its way: who still has to get it."""

    left: int
    done: asyncio.Future[None]
    first_at: float = 0.0
    last_at: float = 0.0


@dataclass
class Tally:
    """What happened in one job."""

    started_at: float = float("inf")
    ended_at: float = float("inf")
    delivery: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    answer: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    sent: dict[str, set[str]] = field(default_factory=dict)
    """Acknowledged client ids by chat, warm-up included."""
    arrived: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0


class Load:
    """Does one job after another with the same people."""

    def __init__(self, http_url: str, http: aiohttp.ClientSession) -> None:
        self._people = People(http_url, http, self._came)
        self._awaited: dict[str, Awaited] = {}
        self._runs = count(1)
        self._tally = Tally()
        self._acknowledge = False
        self._owed: dict[tuple[Link, str], int] = {}
        self._acknowledging: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    async def pairs(
        self, *, pairs: int, under_way: int, warm_up: float, seconds: float, acknowledge: bool
    ) -> dict[str, Any]:
        """Closed loops: each of `pairs` senders has one message under way in each of `under_way`
        chats, and sends the next when the last was answered and has arrived."""
        say("progress", text="signing up and connecting")
        lanes = await self._people.lanes(pairs, under_way)
        self._acknowledge = acknowledge
        tally = self._tally = Tally()
        ends = perf_counter() + warm_up + seconds
        run = next(self._runs)
        loops = [
            asyncio.create_task(self._talk(lane, f"{run}-{number}", ends))
            for number, lane in enumerate(lanes)
        ]
        await asyncio.sleep(warm_up)
        say("measuring")
        tally.started_at = perf_counter()
        await asyncio.sleep(seconds)
        while not tally.delivery and perf_counter() < ends + ARRIVAL_SECONDS:
            await asyncio.sleep(0.1)  # a very busy machine
        tally.ended_at = perf_counter()
        say("measured")
        await asyncio.gather(*loops)
        while self._acknowledging:
            await asyncio.sleep(0.05)
        say("progress", text="looking up every message")
        return {
            "pairs": pairs,
            "under_way": under_way,
            "acknowledged": tally.acknowledged if acknowledge else None,
            "seconds": round(tally.ended_at - tally.started_at, 3),
            "messages": len(tally.delivery),
            "per_second": round(len(tally.delivery) / (tally.ended_at - tally.started_at), 1),
            "delivery_ms": percentiles(tally.delivery),
            "answer_ms": percentiles(tally.answer),
            "errors": dict(tally.errors),
            "verified": await self._verify(lanes),
        }

    async def devices(self, *, devices: int, messages: int) -> dict[str, Any]:
        """One message at a time to a user with that many open sockets."""
        say("progress", text=f"connecting {devices} devices")
        [lane] = await self._people.lanes(1, 1)
        await self._people.connect_devices(lane.receiver, devices)
        self._acknowledge = False
        tally = self._tally = Tally(started_at=perf_counter())
        run = next(self._runs)
        say("measuring")
        for number in range(messages):
            await self._one(lane, f"{run}-0-{number}")
        say("measured")
        result = {
            "devices": devices,
            "messages": len(tally.delivery),
            "first_device_ms": percentiles(tally.first),
            "last_device_ms": percentiles(tally.delivery),
            "answer_ms": percentiles(tally.answer),
            "errors": dict(tally.errors),
            "verified": await self._verify([lane]),
        }
        for link in lane.receiver.links[1:]:
            link.close()
        del lane.receiver.links[1:]
        return result

    # -- messages

    async def _talk(self, lane: Lane, prefix: str, ends: float) -> None:
        for number in count():
            if perf_counter() >= ends:
                return
            if not await self._one(lane, f"{prefix}-{number}"):
                await asyncio.sleep(0.2)

    async def _one(self, lane: Lane, client_id: str) -> bool:
        """Send one message and wait until it is answered and has arrived everywhere."""
        tally = self._tally
        links = lane.receiver.links
        awaited = self._awaited[client_id] = Awaited(len(links), self._loop.create_future())
        data = {
            "chat_id": lane.chat_id,
            "client_id": client_id,
            "content": {"kind": "text", "text": TEXT},
        }
        began = perf_counter()
        try:
            await lane.sender.links[0].ask("message.send", data, ARRIVAL_SECONDS)
            answered = perf_counter()
            tally.sent.setdefault(lane.chat_id, set()).add(client_id)
            if awaited.left:
                async with asyncio.timeout(ARRIVAL_SECONDS):
                    await awaited.done
        except (Refused, TimeoutError, ConnectionError) as error:
            tally.errors[str(error) or type(error).__name__] += 1
            return False
        finally:
            del self._awaited[client_id]
        if tally.started_at <= max(answered, awaited.last_at) <= tally.ended_at:
            tally.answer.append(answered - began)
            tally.delivery.append(awaited.last_at - began)
            tally.first.append(awaited.first_at - began)
        return True

    def _came(self, link: Link, event: str, data: dict[str, Any], at: float) -> None:
        if event != "message.new":
            return
        client_id = data["client_id"]
        self._tally.arrived[client_id] += 1
        awaited = self._awaited.get(client_id)
        if awaited is not None:
            awaited.left -= 1
            awaited.first_at = awaited.first_at or at
            awaited.last_at = at
            if awaited.left == 0:
                awaited.done.set_result(None)
        if self._acknowledge:
            self._owe(link, data["chat_id"], data["seq"])

    def _owe(self, link: Link, chat_id: str, seq: int) -> None:
        """Acknowledge as a client does: one frame under way a chat, the next covers the rest."""
        busy = (link, chat_id) in self._owed
        self._owed[link, chat_id] = seq
        if not busy:
            task = asyncio.create_task(self._deliver(link, chat_id))
            self._acknowledging.add(task)
            task.add_done_callback(self._acknowledging.discard)

    async def _deliver(self, link: Link, chat_id: str) -> None:
        done = 0
        while (seq := self._owed[link, chat_id]) > done:
            try:
                frame = {"chat_id": chat_id, "seq": seq}
                await link.ask("chat.delivered", frame, ARRIVAL_SECONDS)
            except (Refused, TimeoutError, ConnectionError) as error:
                self._tally.errors[f"chat.delivered: {error}"] += 1
            self._tally.acknowledged += 1
            done = seq
        del self._owed[link, chat_id]

    # -- the proof

    async def _verify(self, lanes: list[Lane]) -> dict[str, int]:
        """Look every acknowledged message up, in the store and among what arrived."""
        stored: Counter[str] = Counter()

        async def look_up(lane: Lane) -> None:
            stored.update([client_id async for client_id in self._stored(lane)])

        await each(look_up, lanes)
        sent = set().union(*self._tally.sent.values()) if self._tally.sent else set()
        arrived = self._tally.arrived
        return {
            "acknowledged": len(sent),
            "stored": sum(1 for one in sent if stored[one] == 1),
            "arrived": sum(1 for one in sent if arrived[one] >= 1),
            "stored_twice": sum(1 for times in stored.values() if times > 1),
            "lost": sum(1 for one in sent if not stored[one] or not arrived[one]),
        }

    async def _stored(self, lane: Lane) -> AsyncIterator[str]:
        """The client ids of what the job added to a chat."""
        since, more = lane.rev, True
        while more:
            page = await lane.receiver.user.ok(
                f"GET /v1/chats/{lane.chat_id}/changes?since={since}&limit=200"
            )
            for item in page["items"]:
                yield item["client_id"]
            since, more = page["rev"], page["more"]


async def main(http_url: str) -> None:
    """Take jobs from standard input until it ends."""
    loop = asyncio.get_running_loop()
    connector = aiohttp.TCPConnector(limit=AT_ONCE)
    async with aiohttp.ClientSession(connector=connector) as http:
        load = Load(http_url, http)
        say("ready")
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            job = json.loads(line)
            result = await getattr(load, job.pop("job"))(**job)
            say("result", **result)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
