"""Changes of chats, as devices get them: live, by changes and by sync."""

import asyncio

from tests.client import User
from tests.e2e.conftest import People, Run
from tests.stored import stored_in


def test_g1_g3_every_kind_of_change_reaches_open_sockets_and_members_who_were_away(
    run: Run,
) -> None:
    async def scenario(people: People) -> None:
        ana, bo, cy = [await people.new(name) for name in ("ana", "bo", "cy")]
        with stored_in(people.cloud) as stored:
            chat = await asyncio.to_thread(stored.group, "Friends", ana.id, bo.id, cy.id)
            async with ana.socket() as a, bo.socket() as b:
                first = await a.send(chat, "first")
                second = await a.send(chat, "a secret")
                await asyncio.to_thread(stored.edit, chat, first["seq"], ana.id, "better")
                await asyncio.to_thread(stored.delete, chat, second["seq"], ana.id)
                await asyncio.to_thread(stored.rename, chat, bo.id, "Best friends")
                for socket in (a, b):
                    edited = await socket.event("message.changed", lambda one: one["seq"] == 1)
                    assert edited["content"] == {"kind": "text", "text": "better"}
                    assert (edited["rev"], edited["id"]) == (3, first["id"])
                    assert edited["edited_at"] is not None
                    deleted = await socket.event("message.changed", lambda one: one["seq"] == 2)
                    assert (deleted["content"], deleted["rev"]) == (None, 4)
                    assert deleted["deleted_at"] is not None
                    assert await socket.event("chat.changed") == {
                        "chat_id": chat,
                        "rev": 5,
                        "title": "Best friends",
                        "photo": None,
                        "member_count": 3,
                    }
            await check_away(cy, chat, [edited, deleted])

    run(scenario)


async def check_away(user: User, chat: str, newest: list[object]) -> None:
    """A member who was away gets the same changes, by each way to catch up."""
    changes = await user.ok(f"GET /v1/chats/{chat}/changes?since=2")
    assert (changes["items"], changes["rev"], changes["state_rev"]) == (newest, 5, 5)
    assert changes["chat"] == await user.ok(f"GET /v1/chats/{chat}")
    assert changes["chat"]["title"] == "Best friends"
    after = await user.ok(f"GET /v1/chats/{chat}/changes?since=5")
    assert (after["items"], after["rev"], after["state_rev"]) == ([], 5, 5)
    assert after["chat"] is None
    async with user.socket() as socket:
        assert await socket.ask("chat.changes", {"chat_id": chat, "since": 2}) == changes
        (item,) = (await socket.ask("sync", {"chats": {chat: 2}}))["items"]
        assert (item["changes"], item["rev"]) == (newest, 5)
        assert (item["chat"]["title"], item["chat"]["state_rev"]) == ("Best friends", 5)
        assert (await socket.ask("sync", {"chats": {chat: 5}}))["items"] == []
    listed = (await user.ok("GET /v1/chats"))["items"]
    assert listed == [item["chat"]]
    assert item["chat"]["unread_count"] == 1
    assert (await user.ok(f"GET /v1/chats/{chat}/messages"))["items"] == newest[::-1]


def test_the_text_of_a_deleted_message_leaves_no_trace_in_answers(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo, chat = await people.friends()
        sent = await ana.send(chat, "a secret")
        with stored_in(people.cloud) as stored:
            await asyncio.to_thread(stored.delete, chat, sent["seq"], ana.id)
        draft = {"client_id": sent["client_id"], "content": {"kind": "text", "text": "again"}}
        again = await ana.ok(f"POST /v1/chats/{chat}/messages", draft)
        assert (again["id"], again["content"]) == (sent["id"], None)
        for route in (
            f"GET /v1/chats/{chat}",
            f"GET /v1/chats/{chat}/messages",
            f"GET /v1/chats/{chat}/changes?since=0",
            "GET /v1/chats",
        ):
            answer = await bo.call(route)
            assert answer.status == 200
            assert "a secret" not in str(answer.body)

    run(scenario)


def test_members_come_in_pages_with_their_receipts(run: Run) -> None:
    async def scenario(people: People) -> None:
        users = [await people.new("member") for _ in range(3)]
        ana, bo, _ = users
        with stored_in(people.cloud) as stored:
            ids = [user.id for user in users]
            chat = await asyncio.to_thread(stored.group, "Friends", *ids)
        sent = await ana.send(chat, "hello")
        await bo.ok(f"POST /v1/chats/{chat}/read", {"seq": sent["seq"]})
        found, cursor = [], ""
        while True:
            page = await ana.ok(f"GET /v1/chats/{chat}/members?limit=2{cursor}")
            found += page["items"]
            if page["next"] is None:
                break
            cursor = f"&cursor={page['next']}"

        assert [one["user_id"] for one in found] == sorted(ids)
        for one in found:
            seq = sent["seq"] if one["user_id"] == bo.id else 0
            receipts = {"read_seq": seq, "delivered_seq": seq}
            assert one == {
                "user_id": one["user_id"], "role": "member", "joined_rev": 0, **receipts
            }  # fmt: skip
        refused = await ana.call(f"GET /v1/chats/{chat}/members?cursor=x")
        assert (refused.status, refused.body["errors"][0]["field"]) == (422, "cursor")

    run(scenario)


def test_a_large_group_costs_no_more_bytes_than_a_small_one(run: Run) -> None:
    """Lists and sync have the same size for 3 members and for 1,024."""

    async def scenario(people: People) -> None:
        ana, bo = [await people.new(name) for name in ("ana", "bo")]
        sizes = []
        with stored_in(people.cloud) as stored:
            for count in (3, 1024):
                others = [f"00000000-0000-7000-8000-{number:012x}" for number in range(count - 2)]
                chat = await asyncio.to_thread(stored.group, "Friends", ana.id, bo.id, *others)
                await ana.send(chat, "hello")
                async with bo.socket() as b:
                    answer = await b.ask("sync", {"chats": {}})
                (item,) = [one for one in answer["items"] if one["chat"]["id"] == chat]
                (listed,) = [
                    one for one in (await bo.ok("GET /v1/chats"))["items"] if one["id"] == chat
                ]
                assert item["chat"] == listed
                assert listed["member_count"] == count
                sizes.append(len(str(item)))
        assert abs(sizes[0] - sizes[1]) < 20

    run(scenario)
