"""Who gets a push, and what it says."""

import asyncio
from typing import Any

from tests.e2e.conftest import People, Run
from tests.e2e.phones import pushes_for, with_phone


def test_g1_an_absent_member_gets_a_push_and_finds_the_message(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo, chat = await people.pair()
        token = await with_phone(people, bo)
        async with ana.socket() as a:
            sent = await a.send(chat, "are you\nthere?")
        (push,) = await pushes_for(people, token)
        assert (push["title"], push["body"]) == ("Ana", "are you there?")
        assert push["data"]["message_id"] == sent["id"]
        assert push["data"]["chat_id"] == chat

        async with bo.socket() as b:
            news = await b.ask("sync", {"chats": {}})
            assert [m["id"] for m in news["items"][0]["changes"]] == [sent["id"]]

    run(scenario)


def test_g8_previews_that_are_off_leave_nothing_in_the_push(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo, chat = await people.pair()
        token = await with_phone(people, bo)
        await bo.ok("PATCH /v1/users/me", {"push_previews": False})
        await ana.send(chat, "xyzzy")
        (push,) = await pushes_for(people, token)
        assert "xyzzy" not in str(push)
        assert "Ana" not in str(push)

    run(scenario)


def test_g1_a_socket_that_swallows_a_message_leads_to_a_push(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo, chat = await people.pair()
        token = await with_phone(people, bo)
        async with bo.socket() as silent, ana.socket() as a:
            silent.connection.transport.pause_reading()
            sent = await a.send(chat, "one")
            (push,) = await pushes_for(people, token)
            assert push["data"]["message_id"] == sent["id"]
            silent.connection.transport.resume_reading()

    run(scenario)


def test_g6_a_member_who_acknowledged_gets_no_push(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo, chat = await people.pair()
        token = await with_phone(people, bo)
        async with bo.socket() as b, ana.socket() as a:
            await a.send(chat, "one")
            got = await b.event("message.new")
            await b.ask("chat.delivered", {"chat_id": chat, "seq": got["seq"]})
            await asyncio.sleep(4)  # twice what an acknowledgement may take
        await a_push_for_comparison(people, ana, bo, chat, token, got["id"])

    async def a_push_for_comparison(
        people: People, ana: Any, bo: Any, chat: str, token: str, seen: str
    ) -> None:
        """The next message is pushed, so pushes do work: the one before was not."""
        sent = await ana.send(chat, "two")
        found = await pushes_for(people, token)
        assert [push["data"]["message_id"] for push in found] == [sent["id"]]
        assert sent["id"] != seen

    run(scenario)
