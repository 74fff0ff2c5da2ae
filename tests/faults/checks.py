"""What must hold of everybody's chats once everything is back."""

from contextlib import suppress
from typing import Any

from tests.client import User
from tests.faults.calls import BOUND, until_answered
from tests.faults.crowd import Crowd, Speaker


async def check(crowd: Crowd, *, bound: float = BOUND) -> None:
    """All of it; and no call took longer than `bound`."""
    told = [len(speaker.acknowledged) for speaker in crowd.speakers]
    print(f"acknowledged: {told}; {crowd.calls}")
    await crowd.ready()
    for speaker in crowd.speakers:
        await repeat_what_was_given_up(speaker)
    for chat_id, members in crowd.members.items():
        history = await one_history(crowd, chat_id, members)
        check_what_was_sent(crowd, chat_id, history)
        await check_devices(crowd, chat_id, members, history)
        await check_unread(chat_id, members, history)
        await check_state(crowd, chat_id, members)
    await check_pushes(crowd, history)
    assert all(call.seconds < bound for call in crowd.calls.made), crowd.calls


async def repeat_what_was_given_up(speaker: Speaker) -> None:
    """G2: what nobody knows the fate of can be sent again, any way and as often as one likes."""
    for sent in speaker.given_up:
        answers = [await until_answered(speaker.send, sent) for _ in range(2)]
        assert answers[0]["id"] == answers[1]["id"]


async def one_history(crowd: Crowd, chat_id: str, members: list[User]) -> list[Any]:
    """G3: all members see the same messages, by every way to read them. Oldest first."""
    histories = [await pages(user, chat_id) for user in members]
    limit = crowd.chance.randint(20, 200)
    for user in members:
        found = await changes(user, chat_id, limit)
        revs = [message["rev"] for message in found]
        assert revs == sorted(set(revs))
        histories.append(sorted(found, key=lambda message: message["seq"]))
    assert all(history == histories[0] for history in histories)
    seqs = [message["seq"] for message in histories[0]]
    assert seqs == sorted(set(seqs))
    return histories[0]


def check_what_was_sent(crowd: Crowd, chat_id: str, history: list[Any]) -> None:
    """G1, G2: each is stored once, as it was acknowledged, and in its sender's order."""
    stored = {(m["sender_id"], m["client_id"]): m for m in history}
    assert len(stored) == len(history)
    wanted = {
        (m["sender_id"], m["client_id"]): m["content"]["text"]
        for m in crowd.greetings
        if m["chat_id"] == chat_id
    }
    editor = crowd.editors.get(chat_id)
    for speaker in crowd.speakers:
        if speaker.chat_id != chat_id:
            continue
        for sent, message in speaker.acknowledged:
            kept = stored[sent.sender_id, sent.client_id]
            assert (kept["id"], kept["seq"]) == (message["id"], message["seq"])
            assert kept == message or editor is not None
        seqs = [message["seq"] for _, message in speaker.acknowledged]
        assert seqs == sorted(seqs)
        for sent in [*(sent for sent, _ in speaker.acknowledged), *speaker.given_up]:
            wanted[sent.sender_id, sent.client_id] = sent.text
    assert stored.keys() == wanted.keys()
    for key, message in stored.items():
        text = message["content"] and message["content"]["text"]
        assert (message["deleted_at"] is None) == (text is not None)
        if message["rev"] == message["seq"]:
            assert text == wanted[key]
        else:
            assert editor is not None
            assert text in editor.versions[message["seq"]]
        if editor is not None:
            assert message["rev"] >= editor.acknowledged.get(message["seq"], 0)


async def check_devices(
    crowd: Crowd, chat_id: str, members: list[User], history: list[Any]
) -> None:
    """G1, G3: every device has everything, by events and by what the protocol asks for."""
    for device in crowd.devices:
        if device.user.id in [user.id for user in members]:
            with suppress(TimeoutError):
                await crowd.until(lambda d=device: d.messages(chat_id) == history)  # type: ignore[misc]
            assert device.messages(chat_id) == history


async def check_pushes(crowd: Crowd, history: list[Any]) -> None:
    """G1, G6: who has no socket got a push for every message, and is shown it once."""
    wanted = [m["id"] for m in history if m["sender_id"] != crowd.di.id]
    with suppress(TimeoutError):
        await crowd.until_shown(crowd.di, wanted)
    assert sorted(await crowd.shown(crowd.di)) == sorted(wanted)
    # At least once is what is promised while servers die; how much more is worth a look.
    again = len(await crowd.received(crowd.di)) - len(wanted)
    print(f"pushed again: {again} of {len(wanted)}")


async def check_unread(chat_id: str, members: list[User], history: list[Any]) -> None:
    """The chat itself knows of every message."""
    for user in members:
        chat = await user.ok(f"GET /v1/chats/{chat_id}")
        others = [m for m in history if m["sender_id"] != user.id]
        assert chat["unread_count"] == sum(m["deleted_at"] is None for m in others)
        assert chat["last_message"] == history[-1]


async def check_state(crowd: Crowd, chat_id: str, members: list[User]) -> None:
    """G3: all members and their devices know the newest title."""
    chats = [await user.ok(f"GET /v1/chats/{chat_id}") for user in members]
    states = {(chat["state_rev"], chat["title"]) for chat in chats}
    assert len(states) == 1
    [(rev, title)] = states
    if editor := crowd.editors.get(chat_id):
        assert title in editor.titles
        assert rev >= editor.acknowledged.get(0, 0)
    ids = [user.id for user in members]
    for device in (one for one in crowd.devices if one.user.id in ids):
        with suppress(TimeoutError):
            await crowd.until(lambda d=device: d.state(chat_id) == (rev, title))  # type: ignore[misc]
        assert device.state(chat_id) == (rev, title)


async def pages(user: User, chat_id: str) -> list[Any]:
    """All of a chat, as who scrolls up sees it. Oldest first."""
    found: list[Any] = []
    query = ""
    while True:
        page = await user.ok(f"GET /v1/chats/{chat_id}/messages?limit=200{query}")
        found += page["items"]
        if page["next"] is None:
            return found[::-1]
        query = f"&before={page['next']}"


async def changes(user: User, chat_id: str, limit: int) -> list[Any]:
    """All of a chat, as who catches up from the beginning sees it."""
    found: list[Any] = []
    rev, more = 0, True
    while more:
        answer = await user.ok(f"GET /v1/chats/{chat_id}/changes?since={rev}&limit={limit}")
        found += answer["items"]
        rev, more = answer["rev"], answer["more"]
    return found
