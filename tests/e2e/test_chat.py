"""Two people chat: the main job, over real sockets and servers."""

import asyncio
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
import websockets
from psycopg import sql

from tests.client import PASSWORD, Refused, Socket, User
from tests.cloud import Cloud
from tests.e2e.conftest import People, Run


async def pushes_for(people: People, token: str, wanted: int = 1, seconds: float = 20) -> Any:
    """The pushes that a device has shown, once there are as many as wanted."""
    async with asyncio.timeout(seconds):
        while True:
            shown = await people.anonymous.ok("GET /_local/pushes")
            found = [push for push in shown["items"] if push["token"] == token]
            if len(found) >= wanted:
                return found
            await asyncio.sleep(0.1)


async def with_phone(people: People, user: Any) -> str:
    """Give a user a device; its token."""
    token = f"phone-{uuid.uuid4().hex}"
    body = {"token": token, "platform": "android"}
    await user.ok("PUT /v1/users/me/push-tokens/phone", body)
    return token


def test_a_message_arrives_at_once_and_its_ticks_come_back(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo, chat = await people.friends()
        async with ana.socket() as a, bo.socket() as b:
            sent = await a.send(chat, "hello")
            got = await b.event("message.new")
            assert got == sent
            assert got["content"] == {"kind": "text", "text": "hello"}

            await b.ask("chat.delivered", {"chat_id": chat, "seq": got["seq"]})
            receipt = await a.event("chat.receipt")
            assert (receipt["user_id"], receipt["delivered_seq"]) == (bo.id, got["seq"])
            assert receipt["read_seq"] == 0
            await b.ask("chat.read", {"chat_id": chat, "seq": got["seq"]})
            await a.event("chat.receipt", lambda r: r["read_seq"] == got["seq"])

    run(scenario)


def test_every_device_of_both_gets_it_and_none_gets_its_own_answer(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo, chat = await people.pair()
        other = await ana.sign_in()  # before her phone is connected, so that it gets no event of it
        async with (
            ana.socket() as phone,
            other.socket() as desk,
            bo.socket() as b1,
            bo.socket() as b2,
        ):
            sent = await phone.send(chat, "hello")
            for socket in (desk, b1, b2):
                assert await socket.event("message.new") == sent
            await phone.ask("ping")
            assert phone.events == []
            assert phone.stray == []

    run(scenario)


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


def test_g2_a_resend_is_harmless_over_either_transport(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo, chat = await people.pair()
        async with ana.socket() as a, bo.socket() as b:
            first = await a.send(chat, "first", "x1")
            assert await a.send(chat, "again", "x1") == first
            body = {"client_id": "x1", "content": {"kind": "text", "text": "and again"}}
            answer = await ana.call(f"POST /v1/chats/{chat}/messages", body)
            assert (answer.status, answer.body) == (200, first)
            # The same client_id is another message when somebody else sends it.
            assert (await b.send(chat, "mine", "x1"))["id"] != first["id"]
            await a.event("message.new")
            assert len([e for e in b.events if e["event"] == "message.new"]) == 1

    run(scenario)


def test_g2_a_race_of_the_same_message_stores_one(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo, chat = await people.pair()
        answers = await asyncio.gather(*(ana.send(chat, f"try {n}", "x1") for n in range(8)))
        assert all(answer == answers[0] for answer in answers)
        history = await bo.ok(f"GET /v1/chats/{chat}/messages")
        assert history["items"] == [answers[0]]

    run(scenario)


def test_g3_both_see_the_same_order(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo, chat = await people.pair()
        async with ana.socket() as a, bo.socket() as b:
            for socket in (a, b):
                await socket.send(chat, "first")
            await asyncio.gather(
                *(socket.send(chat, f"{n}") for n in range(14) for socket in (a, b))
            )
            one = await ana.ok(f"GET /v1/chats/{chat}/messages")
            other = await bo.ok(f"GET /v1/chats/{chat}/messages")
            assert one == other
            seqs = [message["seq"] for message in one["items"]]
            assert len(seqs) == 30
            assert seqs == sorted(set(seqs), reverse=True)
            changes = await a.ask("chat.changes", {"chat_id": chat, "since": 0})
            assert changes["items"] == one["items"][::-1]
            assert (changes["rev"], changes["more"]) == (seqs[0], False)

    run(scenario)


def test_a_dropped_connection_catches_up_by_rev(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo, chat = await people.pair()
        async with ana.socket() as a:
            async with bo.socket() as b:
                known = (await a.send(chat, "1"))["rev"]
                await b.event("message.new")
            missed = [await a.send(chat, text) for text in ("2", "3")]
            async with bo.socket() as b:
                news = await b.ask("sync", {"chats": {chat: known}})
                (item,) = news["items"]
                assert item["changes"] == missed
                assert (item["rev"], item["more"]) == (missed[-1]["rev"], False)
                assert item["chat"]["unread_count"] == 3
                assert (await b.ask("sync", {"chats": {chat: item["rev"]}}))["items"] == []

    run(scenario)


def test_unread_counts_and_last_messages_follow(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo, chat = await people.pair()
        cy = await people.new("cy")
        other = await cy.chat_with(bo)
        await ana.send(chat, "one")
        await cy.send(other, "two")
        last = await ana.send(chat, "three")

        chats = (await bo.ok("GET /v1/chats"))["items"]
        assert [(c["id"], c["unread_count"]) for c in chats] == [(chat, 2), (other, 1)]
        assert chats[0]["last_message"] == last
        await bo.ok(f"POST /v1/chats/{chat}/read", {"seq": last["seq"]})
        assert (await bo.ok(f"GET /v1/chats/{chat}"))["unread_count"] == 0
        assert (await ana.ok(f"GET /v1/chats/{chat}"))["unread_count"] == 0

    run(scenario)


def test_a_race_opens_one_chat(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo = await people.new(), await people.new()
        answers = await asyncio.gather(
            *(
                one.call("POST /v1/chats", {"kind": "direct", "user_id": other.id})
                for one, other in [(ana, bo), (bo, ana)] * 4
            )
        )
        assert len({answer.body["id"] for answer in answers}) == 1
        assert sorted(answer.status for answer in answers) == [200] * 7 + [201]

    run(scenario)


def test_typing_and_presence_reach_the_other(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo, chat = await people.friends()
        stranger = await people.new()
        async with ana.socket() as a:
            watched = await a.ask("presence.watch", {"user_ids": [bo.id, stranger.id]})
            assert [(p["user_id"], p["online"]) for p in watched["items"]] == [(bo.id, False)]
            async with bo.socket() as b:
                assert (await a.event("presence"))["online"]
                await b.ask("chat.typing", {"chat_id": chat, "typing": True})
                assert await a.event("chat.typing") == {
                    "chat_id": chat,
                    "user_id": bo.id,
                    "typing": True,
                }
            left = await a.event("presence", lambda p: not p["online"])
            assert left["last_seen_at"] is not None
            async with stranger.socket():
                await a.ask("ping")
            assert stranger.id not in str(a.events)

    run(scenario)


def test_g5_logout_closes_the_sockets_of_that_session_alone(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, _bo, chat = await people.pair()
        desk = await ana.sign_in()
        async with ana.socket() as phone_socket, desk.socket() as desk_socket:
            await ana.ok("POST /v1/auth/logout")
            await phone_socket.closed()
            assert (await ana.call("GET /v1/users/me")).status == 401
            assert (await ana.call("POST /v1/socket-tickets")).status == 401
            assert await desk_socket.send(chat, "still here")

    run(scenario)


def test_g5_a_frame_on_its_way_during_a_logout_is_refused(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, _, chat = await people.friends()
        acknowledged: list[float] = []  # when each send that was acknowledged had begun
        async with ana.socket() as socket:
            floods = [asyncio.create_task(flood(socket, chat, acknowledged)) for _ in range(4)]
            while len(acknowledged) < 20:
                await asyncio.sleep(0.01)
            await ana.ok("POST /v1/auth/logout")
            answered = time.monotonic()
            async with asyncio.timeout(10):
                ends = await asyncio.gather(*floods, return_exceptions=True)
        for end in ends:
            refused = isinstance(end, Refused) and end.code == "unauthorized"
            closed = isinstance(end, ConnectionError | websockets.ConnectionClosed)
            assert refused or closed, end
        assert max(acknowledged) < answered

    async def flood(socket: Socket, chat: str, acknowledged: list[float]) -> None:
        """Send until that fails for another reason than that it is too fast."""
        while True:
            begun = time.monotonic()
            try:
                await socket.send(chat, "again")
                acknowledged.append(begun)
            except Refused as error:
                if error.code != "rate_limited":
                    raise
                await asyncio.sleep(0.05)

    run(scenario)


def test_g8_no_secret_reaches_a_log(run: Run, cloud: Cloud) -> None:
    async def scenario(people: People) -> None:
        ana, bo, chat = await people.pair()
        token = await with_phone(people, bo)
        ticket = await ana.ok("POST /v1/socket-tickets")
        a = await ana.open(ticket)
        await a.send(chat, "plugh\nplover")
        with pytest.raises(Refused, match="validation_failed"):
            await a.ask("message.send", {"chat_id": chat, "text": "plugh\nplover"})
        await a.close()
        (push,) = await pushes_for(people, token)
        assert push["body"] == "plugh plover"
        wrong = {"login": ana.username, "password": f"{PASSWORD}!"}
        assert (await ana.call("POST /v1/auth/login", wrong)).status == 401
        with refusing(cloud, ana):
            renamed = await ana.call("PATCH /v1/users/me", {"about": "plover"})
            assert (renamed.status, renamed.code) == (500, "internal")
            await logged("RaiseException")
        logged_words = cloud.worker_log() + cloud.log()
        for secret in (
            "plugh",
            "plover",
            PASSWORD,
            token,
            ticket["ticket"],
            ana.signed_in["user"]["email"],
            ana.signed_in["access_token"],
            ana.signed_in["refresh_token"],
        ):
            assert secret not in logged_words
        for control in ('"pushed"', "CheckViolation", "RaiseException"):
            assert control in logged_words, "or nothing is logged there at all"

    async def logged(text: str) -> None:
        async with asyncio.timeout(20):
            while text not in cloud.worker_log():
                await asyncio.sleep(0.1)

    run(scenario)


@contextmanager
def refusing(cloud: Cloud, user: User) -> Iterator[None]:
    """A database that refuses a user's row and the purge of their session, in words that quote
    both: what escapes a request then, and a job."""
    words = sql.Literal(f"plover {user.signed_in['user']['email']} {PASSWORD}")
    statements: list[sql.SQL | sql.Composed] = [
        sql.SQL("ALTER TABLE users ADD CONSTRAINT no_plover CHECK (about <> 'plover')"),
        sql.SQL(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION USING MESSAGE = {}; END $$"
        ).format(words),
        sql.SQL(
            "CREATE TRIGGER refuse BEFORE DELETE ON sessions FOR EACH ROW WHEN (OLD.id = {})"
            " EXECUTE FUNCTION refuse()"
        ).format(sql.Literal(user.signed_in["session_id"])),
        sql.SQL("UPDATE sessions SET expires_at = '2020-01-01' WHERE id = {}").format(
            sql.Literal(user.signed_in["session_id"])
        ),
    ]
    url = cloud.about["environment"]["POSTGRES_URL"]
    with psycopg.connect(url, autocommit=True) as connection:
        try:
            for statement in statements:
                connection.execute(statement)
            yield
        finally:
            connection.execute("DROP FUNCTION IF EXISTS refuse CASCADE")
            connection.execute("ALTER TABLE users DROP CONSTRAINT IF EXISTS no_plover")
