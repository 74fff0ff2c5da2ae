"""Coming and going, on a real Redis."""

import uuid
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import pytest
import redis

from chalicelib.auth.sessions.revocation import Revocation
from chalicelib.errors import Unauthorized, Unavailable
from chalicelib.identity import Identity
from chalicelib.live import keys
from chalicelib.live.connections import Connections
from chalicelib.live.presence import Presence
from chalicelib.messages.models.socket_events import TYPING, UserTyping
from tests.contract.posts import EVENT, Posts
from tests.unit.settings import settings


class FakeSessions:
    valid = True
    sick = False

    def still_valid(self, identity: Identity) -> bool:
        if self.sick:
            raise Unavailable("postgres")
        return self.valid


class FakeChats:
    """Everybody has written with everybody but strangers."""

    def __init__(self) -> None:
        self.strangers: set[str] = set()

    def acquainted(self, member: str, others: Collection[str]) -> set[str]:
        return set(others) - self.strangers


@pytest.fixture
def connections(client: redis.Redis) -> Connections:
    return Connections(client, settings())


@pytest.fixture
def gateway(connections: Connections) -> Posts:
    return Posts(connections)


@pytest.fixture
def sessions() -> FakeSessions:
    return FakeSessions()


@pytest.fixture
def chats() -> FakeChats:
    return FakeChats()


@pytest.fixture
def presence(connections: Connections, gateway: Posts, sessions: Any, chats: Any) -> Presence:
    return Presence(
        settings(sockets_per_session=2),
        connections=connections,
        gateway=gateway,
        acquainted=chats.acquainted,
        still_valid=sessions.still_valid,
    )


def someone(session_id: str = "s1") -> Identity:
    return Identity(user_id=str(uuid.uuid4()), session_id=session_id)


@pytest.fixture
def watcher(presence: Presence, connections: Connections) -> Identity:
    presence.connected(someone(), "w1")
    return connections.admit("w1")


def told(gateway: Posts) -> list[tuple[str, bool]]:
    found = [(to, event) for to, event in gateway.sent if event.get("event") == "presence"]
    return [(to, event["data"]["online"]) for to, event in found]


def test_watchers_get_events_of_the_first_socket_and_of_the_last(
    presence: Presence, watcher: Identity, gateway: Posts
) -> None:
    bo = someone()
    assert [one.online for one in presence.watch(watcher, [bo.user_id]).items] == [False]

    presence.connected(bo, "b1")
    presence.connected(bo, "b2")
    assert told(gateway) == [("w1", True)]

    presence.disconnected("b1")
    presence.disconnected("b2")
    presence.disconnected("b2")
    assert told(gateway) == [("w1", True), ("w1", False)]
    assert gateway.sent[-1][1]["data"]["last_seen_at"] is not None


def sign_out(gateway: Posts, bo: Identity) -> None:
    gateway.close_session(bo.user_id, bo.session_id)


def tell(gateway: Posts, bo: Identity) -> None:
    gateway.tell([bo.user_id], TYPING.of(UserTyping(chat_id="c", user_id="ana", typing=True)))


def deliver(gateway: Posts, bo: Identity) -> None:
    gateway.deliver([bo.user_id], EVENT, chat_id="c", seq=1, sender_id="ana")


@pytest.mark.parametrize("end", [sign_out, tell, deliver])
def test_watchers_get_one_event_however_the_last_socket_ends(
    presence: Presence,
    watcher: Identity,
    connections: Connections,
    gateway: Posts,
    end: Callable[[Posts, Identity], None],
) -> None:
    bo = someone()
    presence.watch(watcher, [bo.user_id])
    for name in ("b1", "b2"):
        presence.connected(bo, name)
        presence.ping(connections.admit(name))
    gateway.statuses = {"b1": 410}
    tell(gateway, bo)
    assert told(gateway) == [("w1", True)]

    gateway.statuses = {"b2": 410}
    end(gateway, bo)
    presence.disconnected("b2")

    assert told(gateway) == [("w1", True), ("w1", False)]
    [item] = presence.watch(watcher, [bo.user_id]).items
    assert (item.online, item.last_seen_at is None) == (False, False)


def program_of(user: Identity, *scopes: str) -> Identity:
    return replace(user, session_id="grant", client_id="board", scopes=frozenset(scopes))


def test_sockets_of_programs_do_not_change_presence(
    presence: Presence, connections: Connections, watcher: Identity, gateway: Posts
) -> None:
    bo = someone()
    board = program_of(bo, "chats.read")
    presence.watch(watcher, [bo.user_id])

    presence.connected(board, "p1")
    presence.ping(connections.admit("p1"))
    presence.disconnected("p1")
    presence.connected(board, "p2")
    gateway.close_session(bo.user_id, "grant")
    assert told(gateway) == []
    [item] = presence.watch(watcher, [bo.user_id]).items
    assert (item.online, item.last_seen_at) == (False, None)

    presence.connected(board, "p3")
    presence.connected(bo, "b1")
    presence.disconnected("b1")
    assert told(gateway) == [("w1", True), ("w1", False)]
    assert ids(connections, bo) == ["p3"]


def test_a_grant_keeps_its_newest_sockets(
    presence: Presence, connections: Connections, gateway: Posts
) -> None:
    bo = someone()
    presence.connected(bo, "b1")
    for name in ("p1", "p2", "p3"):
        presence.connected(program_of(bo, "chats.read"), name)

    assert ids(connections, bo) == ["b1", "p2", "p3"]
    told = {"event": "socket.closing", "data": {"reason": "too_many_sockets"}}
    assert [what for to, what in gateway.sent if to == "p1"] == [told, {"closed": True}]


def test_a_watcher_that_may_not_read_chats_gets_no_event(
    presence: Presence, connections: Connections, gateway: Posts
) -> None:
    bo, ana = someone(), someone()
    for name, scopes in (("reads", ["chats.read"]), ("writes", ["chats.write"])):
        connections.open(program_of(ana, *scopes), name)
        presence.watch(connections.admit(name), [bo.user_id])

    presence.connected(bo, "b1")

    assert told(gateway) == [("reads", True)]


def ids(connections: Connections, user: Identity) -> list[str]:
    return [socket.connection_id for socket in connections.of([user.user_id])]


def test_a_user_who_leaves_while_watchers_cannot_be_found_is_offline(
    presence: Presence,
    connections: Connections,
    gateway: Posts,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bo = someone()
    monkeypatch.setattr(connections, "watchers", unavailable)
    presence.connected(bo, "b1")
    gateway.close_session(bo.user_id, bo.session_id)

    assert connections.of([bo.user_id]) == []


def unavailable(*arguments: Any) -> Any:
    raise Unavailable("redis")


def test_g4_strangers_cannot_be_watched(
    presence: Presence, watcher: Identity, gateway: Posts, chats: FakeChats
) -> None:
    bo = someone()
    chats.strangers = {bo.user_id}

    assert presence.watch(watcher, [bo.user_id]).items == []
    presence.connected(bo, "b1")
    assert told(gateway) == []


def test_g4_a_ping_stops_watching_users_who_became_strangers(
    presence: Presence,
    watcher: Identity,
    connections: Connections,
    gateway: Posts,
    chats: FakeChats,
) -> None:
    bo = someone()
    presence.watch(watcher, [bo.user_id])
    chats.strangers = {bo.user_id}

    age(connections, "w1", "watched_at", seconds=310)
    presence.ping(watcher)

    presence.connected(bo, "b1")
    assert told(gateway) == []
    age(connections, "w1", "watched_at", seconds=310)
    assert connections.renew(watcher) == []


def test_g5_a_frame_notices_a_revoke_that_could_not_tell_the_socket(
    presence: Presence, connections: Connections, gateway: Posts, sessions: FakeSessions
) -> None:
    bo = someone()
    presence.connected(bo, "b1")
    assert connections.admit("b1").in_doubt  # Redis does not know the session
    Revocation(connections._redis, settings()).confirm(bo.user_id, bo.session_id)
    assert not connections.admit("b1").in_doubt
    age(connections, "b1", "checked_at", seconds=60)
    caller = connections.admit("b1")
    assert caller.in_doubt
    presence.check(caller)
    assert not connections.admit("b1").in_doubt

    sessions.valid = False
    with pytest.raises(Unauthorized):
        presence.check(caller)

    told = {"event": "session.ended", "data": {"reason": "revoked"}}
    assert gateway.sent == [("b1", told), ("b1", {"closed": True})]
    with pytest.raises(Unauthorized):
        connections.admit("b1")


@pytest.mark.parametrize("look", [Presence.ping, Presence.check])
def test_g1_a_socket_that_redis_lost_from_its_list_is_refused_and_closed(
    presence: Presence,
    connections: Connections,
    gateway: Posts,
    look: Callable[[Presence, Identity], None],
) -> None:
    bo = someone()
    presence.connected(bo, "b1")
    caller = connections.admit("b1")
    look(presence, caller)
    connections._redis.delete(keys.sockets(bo.user_id))

    with pytest.raises(Unauthorized):
        look(presence, caller)

    told = {"event": "socket.closing", "data": {"reason": "unknown_socket"}}
    assert gateway.sent == [("b1", told), ("b1", {"closed": True})]
    with pytest.raises(Unauthorized):
        connections.admit("b1")


def age(connections: Connections, connection_id: str, field: str, *, seconds: int) -> None:
    """Backdate a time in a socket's record."""
    connections._redis.hincrby(keys.connection(connection_id), field, -seconds)


def test_g5_a_session_revoked_while_connecting_gets_no_socket(
    presence: Presence, connections: Connections, sessions: FakeSessions
) -> None:
    sessions.valid = False
    with pytest.raises(Unauthorized):
        presence.connected(someone(), "b1")

    with pytest.raises(Unauthorized):
        connections.admit("b1")


@pytest.mark.parametrize("broken", ["sessions", "surplus"])
def test_a_socket_that_is_refused_leaves_nothing_behind(
    presence: Presence,
    connections: Connections,
    gateway: Posts,
    sessions: FakeSessions,
    monkeypatch: pytest.MonkeyPatch,
    broken: str,
) -> None:
    """API Gateway tells nothing of the end of a socket that it never opened."""
    bo = someone()
    open_before = ["b1", "b2"] if broken == "surplus" else []
    for name in open_before:
        presence.connected(bo, name)
    sessions.sick = broken == "sessions"
    if broken == "surplus":
        monkeypatch.setattr(gateway, "dismiss", unavailable)

    with pytest.raises(Unavailable):
        presence.connected(bo, "b3")

    assert [s.connection_id for s in connections.of([bo.user_id])] == open_before
    with pytest.raises(Unauthorized):
        connections.admit("b3")


def test_a_session_keeps_its_newest_sockets(
    presence: Presence, connections: Connections, gateway: Posts
) -> None:
    bo = someone()
    other = Identity(user_id=bo.user_id, session_id="s2")
    presence.connected(other, "o1")
    for name in ("b1", "b2", "b3"):
        presence.connected(bo, name)

    assert ("b1", {"closed": True}) in gateway.sent
    assert {s.connection_id for s in connections.of([bo.user_id])} == {"o1", "b2", "b3"}
    with pytest.raises(Unauthorized):
        connections.admit("b1")
