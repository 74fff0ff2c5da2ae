"""Two people chat, with their chats in PostgreSQL: over HTTP, sockets and to a phone."""

import uuid
from collections.abc import Iterator

import pytest

from tests.client import Refused
from tests.cloud import Cloud
from tests.e2e.conftest import People, Run, serve
from tests.e2e.phones import pushes_for, with_phone


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    yield from serve(tmp_path_factory.mktemp("cloud"), "postgres")


def test_it_is_postgresql_that_keeps_the_chats(cloud: Cloud) -> None:
    assert cloud.about["environment"]["MESSAGES_URL"].startswith("postgresql://")


def test_g3_what_both_write_is_one_history_and_one_list_of_changes(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo, chat = await people.pair()
        async with ana.socket() as a, bo.socket() as b:
            first = await a.send(chat, "hello")
            assert await b.event("message.new") == first
            second = await bo.send(chat, "hello yourself")
            assert await a.event("message.new") == second

            for who in (ana, bo):
                history = await who.ok(f"GET /v1/chats/{chat}/messages")
                assert history["items"] == [second, first]
            changes = await a.ask("chat.changes", {"chat_id": chat, "since": first["rev"]})
            assert (changes["items"], changes["rev"]) == ([second], second["rev"])
            assert (changes["state_rev"], changes["chat"], changes["more"]) == (0, None, False)

    run(scenario)


def test_what_was_missed_comes_with_the_next_sync_and_is_counted_as_unread(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo, chat = await people.pair()
        sent = [await bo.send(chat, "zero")]
        sent += [await ana.send(chat, text) for text in ("one", "two")]
        async with ana.socket() as a, bo.socket() as b:
            (item,) = (await b.ask("sync", {"chats": {}}))["items"]
            assert (item["changes"], item["rev"]) == (sent, sent[-1]["rev"])
            assert item["chat"]["unread_count"] == 2
            assert (await b.ask("sync", {"chats": {chat: item["rev"]}}))["items"] == []

            for action in ("chat.delivered", "chat.read"):
                await b.ask(action, {"chat_id": chat, "seq": sent[-1]["seq"]})
            receipt = await a.event("chat.receipt", lambda r: r["read_seq"] > 0)
            assert (receipt["read_seq"], receipt["delivered_seq"]) == (sent[-1]["seq"],) * 2
        assert (await bo.ok(f"GET /v1/chats/{chat}"))["unread_count"] == 0

    run(scenario)


def test_g2_a_resend_returns_the_message_stored_first(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo, chat = await people.pair()
        client_id = uuid.uuid4().hex
        first = await ana.send(chat, "first", client_id)
        async with ana.socket() as a:
            assert await a.send(chat, "again", client_id) == first
        assert (await bo.ok(f"GET /v1/chats/{chat}/messages"))["items"] == [first]

    run(scenario)


def test_g1_an_absent_member_gets_a_push(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo, chat = await people.pair()
        token = await with_phone(people, bo)
        sent = await ana.send(chat, "are you there?")
        (push,) = await pushes_for(people, token)
        assert (push["title"], push["body"]) == ("Ana", "are you there?")
        assert push["data"]["message_id"] == sent["id"]

    run(scenario)


def test_g4_a_stranger_finds_no_chat(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, _, chat = await people.pair()
        await ana.send(chat, "hello")
        eve = await people.new("eve")
        answer = await eve.call(f"GET /v1/chats/{chat}/messages")
        assert (answer.status, answer.code) == (404, "chat_not_found")
        async with eve.socket() as e:
            with pytest.raises(Refused, match="chat_not_found"):
                await e.send(chat, "let me in")

    run(scenario)
