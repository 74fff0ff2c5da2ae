"""Everybody connects at the same moment, as after an outage."""

import asyncio
import os
from contextlib import suppress
from typing import Any

from websockets import ConnectionClosed

from tests.client import Refused, Socket, User, register
from tests.faults.calls import Unanswered
from tests.faults.conftest import SOCKETS_PER_SESSION, Run, on_one_store
from tests.faults.crowd import Crowd, Sent
from tests.faults.trouble import Trouble

SOCKETS = int(os.environ.get("FAULT_SOCKETS", "1500"))

pytestmark = [on_one_store]


def test_g1_g9_everybody_comes_back_at_once_and_misses_nothing(run: Run, trouble: Trouble) -> None:
    """Redis forgets all sockets, so all of them close and open again together."""

    async def scenario(crowd: Crowd) -> None:
        people = [
            await register(crowd.anonymous.url, crowd.anonymous.http, f"storm{number}")
            for number in range(SOCKETS // SOCKETS_PER_SESSION)
        ]
        owners = [person for person in people for _ in range(SOCKETS_PER_SESSION)]
        before = await asyncio.gather(*(connected(crowd, owner) for owner in owners))
        await trouble.kill("redis")
        await crowd.ready()
        await asyncio.gather(*(forgotten(socket) for socket in before))

        sockets = await asyncio.gather(*(connected(crowd, owner) for owner in owners))

        ids = {owner.id: await told(crowd, owner) for owner in people}
        for owner, socket in zip(owners, sockets, strict=True):
            await came(socket, ids[owner.id])
        await asyncio.gather(*(socket.close() for socket in sockets))
        assert "crashed" not in crowd.calls.outcomes()  # no call took longer than it may

    run(scenario)


async def connected(crowd: Crowd, user: User) -> Socket:
    """A socket, as a client opens it that waits longer after each refusal."""
    pause = 0.5
    while True:
        try:
            return await crowd.calls.connect(user)
        except Unanswered:
            await asyncio.sleep(pause * crowd.chance.uniform(0.5, 1.5))
            pause = min(8.0, pause * 2)


async def forgotten(socket: Socket) -> None:
    """Wait until a socket that Redis does not know any more is closed."""
    with suppress(Refused, OSError, ConnectionClosed):
        await socket.ask("ping")
    await socket.closed()


async def came(socket: Socket, message_id: str) -> None:
    """Wait until a socket has received a message."""
    await socket.event("message.new", lambda message: message["id"] == message_id)


async def told(crowd: Crowd, user: User) -> Any:
    """The id of a message that Bo sends somebody."""
    chat_id = await crowd.bo.chat_with(user)
    sent = Sent.new(chat_id, crowd.bo, "welcome back")
    return (await crowd.calls.http(crowd.bo, sent.route, sent.body))["id"]
