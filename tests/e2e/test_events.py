"""Other services learn what happens, each event once it is stored and of the documented shape."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.client import PASSWORD, User
from tests.cloud import Cloud
from tests.e2e.conftest import People, Run
from tests.listener import Listener, listening

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "events.md").read_text()
USERS = "/v1/admin/users"


@pytest.fixture(scope="module")
def listener(cloud: Cloud) -> Iterator[Listener]:
    with listening(cloud, "tests") as listener:
        yield listener


def session_of(user: User) -> str:
    session_id: str = user.signed_in["session_id"]
    return session_id


def test_every_change_of_a_user_is_published_from_first_to_last(
    run: Run, listener: Listener
) -> None:
    async def scenario(people: People) -> None:
        moderator, ana = await asyncio.gather(people.staff("moderator"), people.new("ana"))
        told = [("user.registered", ana.id)]
        await listener.until(told, ana.id)

        await ana.ok("PATCH /v1/users/me", {"display_name": "Ana B"})
        told += [("user.updated", ana.id)]
        await listener.until(told, ana.id)

        other = await ana.sign_in()
        await other.ok("POST /v1/auth/logout")
        told += [("session.revoked", session_of(other))]
        await listener.until(told, ana.id)

        await moderator.ok(f"POST {USERS}/{ana.id}/suspend", {"reason": "Spam"})
        await moderator.ok(f"POST {USERS}/{ana.id}/suspend", {"reason": "More spam"})
        told += [("user.suspended", ana.id), ("session.revoked", session_of(ana))]
        await listener.until(told, ana.id)

        await moderator.ok(f"POST {USERS}/{ana.id}/restore")
        back = await ana.sign_in()
        await back.ok("POST /v1/users/me/delete", {"password": PASSWORD})
        told += [
            ("user.reinstated", ana.id),
            ("user.deleted", ana.id),
            ("session.revoked", session_of(back)),
        ]
        await listener.until(told, ana.id)
        revisions = [
            one["data"]["revision"]
            for one in listener.events
            if one["subject"] == ana.id and one["type"].startswith("user.")
        ]
        assert len(set(revisions)) == 5, "each change has a revision of its own"

    run(scenario)


def test_every_session_that_ends_is_published_once(run: Run, listener: Listener) -> None:
    async def scenario(people: People) -> None:
        ana = await people.new("ana")
        first, second, third = [await ana.sign_in() for _ in range(3)]
        told = [("user.registered", ana.id)]

        await first.ok(f"DELETE /v1/auth/sessions/{session_of(second)}")
        await first.ok(
            "POST /v1/auth/password",
            {"current_password": PASSWORD, "new_password": f"{PASSWORD} new"},
        )
        told += [("session.revoked", session_of(one)) for one in (second, third, ana)]
        await listener.until(told, ana.id)
        await first.ok("POST /v1/auth/logout")
        await listener.until([*told, ("session.revoked", session_of(first))], ana.id)

    run(scenario)


def test_a_chat_and_each_of_its_messages_are_published(run: Run, listener: Listener) -> None:
    async def scenario(people: People) -> None:
        ana, bo = await people.new("ana"), await people.new("bo")
        chat_id = await ana.chat_with(bo)
        assert await bo.chat_with(ana) == chat_id
        sent = [await ana.send(chat_id, "under the bridge", client_id="x") for _ in range(2)]
        async with bo.socket() as socket:
            content = {"kind": "text", "text": "at the bridge"}
            for number in range(3):
                draft = {"chat_id": chat_id, "client_id": f"{number}", "content": content}
                sent.append(await socket.ask("message.send", draft))
            sent.append(await ana.send(chat_id, "which bridge?"))  # to somebody online

        wanted = {("chat.created", chat_id)} | {("message.created", one["id"]) for one in sent}
        async with asyncio.timeout(40):
            while wanted > set(events_of(listener, chat_id)):
                await asyncio.sleep(0.05)
        assert set(events_of(listener, chat_id)) == wanted
        assert "bridge" not in str(listener.events)
        [created] = [one for one in listener.events if one["subject"] == chat_id]
        assert created["data"]["member_ids"] == sorted([ana.id, bo.id])
        told = {one["id"]: one["data"] for one in listener.events}
        for message in sent:
            same = {name: message[name] for name in ("chat_id", "seq", "sender_id")}
            assert told[message["id"]] == {"message_id": message["id"], **same}

    run(scenario)


def events_of(listener: Listener, chat_id: str) -> list[tuple[str, str]]:
    """(type, subject) of what came about a chat."""
    events = list(listener.events)
    return [(e["type"], e["subject"]) for e in events if e["data"].get("chat_id") == chat_id]


def test_events_say_nothing_but_ids(run: Run, cloud: Cloud, listener: Listener) -> None:
    async def scenario(people: People) -> None:
        ana = await people.new("ana")
        await ana.ok("PATCH /v1/users/me", {"display_name": "Zebedee", "about": "at the bridge"})
        told = [("user.registered", ana.id), ("user.updated", ana.id)]
        await listener.until(told, ana.id)

        text = str(listener.events)
        for secret in ("Zebedee", "bridge", ana.username, ana.signed_in["access_token"], "@"):
            assert secret not in text

    run(scenario)


def test_the_consumer_of_the_page_gets_them(run: Run, cloud: Cloud) -> None:
    async def scenario(people: People) -> None:
        ana = await people.new("ana")
        async with consumer(cloud) as lines:
            # The consumer is ready when it has printed the event of a change.
            async with asyncio.timeout(40):
                while lines.empty():
                    await ana.ok("PATCH /v1/users/me", {"about": "x"})
                    await asyncio.sleep(0.2)
            bo = await people.new("bo")
            await bo.ok("POST /v1/auth/logout")
            wanted = {f"user.registered {bo.id}", f"session.revoked {session_of(bo)}"}
            async with asyncio.timeout(40):
                while wanted:
                    wanted.discard((await lines.get()).rpartition(" ")[0])

    run(scenario)


@asynccontextmanager
async def consumer(cloud: Cloud) -> AsyncIterator["asyncio.Queue[str]"]:
    """The program of the page, with an account of its own; the lines that it prints."""
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    account = await asyncio.to_thread(cloud.maintain, task="event-consumer", consumer="page")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program),
        env={"PATH": os.environ["PATH"], "AMQP_URL": account["url"], "QUEUE": account["queue"]},
        stdout=asyncio.subprocess.PIPE,
    )
    lines: asyncio.Queue[str] = asyncio.Queue()

    async def read() -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            lines.put_nowait(line.decode().strip())

    reading = asyncio.create_task(read())
    try:
        yield lines
    finally:
        process.kill()
        await asyncio.gather(process.wait(), reading)
        order = {"task": "event-consumer", "consumer": "page", "remove": True}
        await asyncio.to_thread(cloud.maintain, **order)
