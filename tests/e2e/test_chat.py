"""Chats over HTTP and sockets: order, resends, catching up, presence."""

import asyncio

from tests.e2e.conftest import People, Run


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
