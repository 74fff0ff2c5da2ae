"""Which sockets get an event, and who owes an acknowledgement of it."""

import time

import pytest

from chalicelib.auth.sessions.models import SIGNED_IN, NewSession
from chalicelib.live import keys
from chalicelib.live.connections import Connections
from chalicelib.live.gateway import Gateway
from chalicelib.live.models import Owed
from chalicelib.live.registry import YOUNG_SECONDS
from chalicelib.wire import now
from tests.contract.accounts import RoundTrips
from tests.contract.live.gateway.management import Management
from tests.contract.live.gateway.told import (
    CHAT,
    SENT,
    deliver,
    online,
    program,
    wait_until_overdue,
    young,
)
from tests.contract.posts import EVENT


def test_every_socket_but_the_skipped_one_gets_the_event(
    gateway: Gateway, connections: Connections, management: Management
) -> None:
    online(connections, "ana", "a1=", "a2=")
    online(connections, "bo", "b/1+=")

    delivery = deliver(gateway, "ana", "bo", "cy", skip="a1=")

    assert (delivery.unreached, delivery.failed) == ({"cy"}, False)
    assert sorted(management.calls) == [("POST", "a2=", SENT), ("POST", "b/1+=", SENT)]


def test_each_socket_gets_what_its_scopes_and_its_client_let_it(
    gateway: Gateway, connections: Connections, management: Management
) -> None:
    online(connections, "bo", "b1")
    connections.open(program("bo", "chats.read"), "reads")
    connections.open(program("bo", "openid", "chats.write"), "writes")
    connections.open(program("bo", "account"), "crooked")
    data = NewSession(session_id="s2", device_name=None, user_agent="x", created_at=now())

    gateway.tell(["bo"], EVENT)
    assert sorted(name for _, name, _ in management.calls) == ["b1", "reads"]
    management.calls.clear()
    gateway.tell(["bo"], SIGNED_IN.of(data))
    assert [name for _, name, _ in management.calls] == ["b1"]


def test_filtering_an_event_by_scope_takes_no_round_trip(
    gateway: Gateway, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    online(connections, "bo", "b1")
    connections.open(program("bo", "chats.read"), "p1")
    deliver(gateway, "bo", "cy")
    trips = RoundTrips(connections._redis, monkeypatch)

    deliver(gateway, "bo", "cy", seq=4)

    assert trips.count == 1


def test_meanwhile_is_called_before_the_posts_with_users_without_a_socket(
    gateway: Gateway, connections: Connections, management: Management
) -> None:
    online(connections, "ana", "a1")
    connections.open(program("bo", "chats.read"), "p1")
    told: list[tuple[set[str], int]] = []

    gateway.deliver(
        ["ana", "bo", "cy"],
        EVENT,
        chat_id=CHAT,
        seq=3,
        sender_id="ana",
        meanwhile=lambda absent: told.append((absent, len(management.calls))),
    )

    assert told == [({"bo", "cy"}, 0)]
    assert len(management.calls) == 2


def test_a_user_with_only_a_program_connected_is_unreached_and_owes_nothing(
    gateway: Gateway, connections: Connections, management: Management
) -> None:
    connections.open(program("bo", "chats.read"), "p1")
    connections.open(program("cy", "chats.read"), "sick2")
    online(connections, "cy", "c1")

    delivery = deliver(gateway, "bo", "cy")
    time.sleep(1.1)

    assert (delivery.unreached, delivery.failed) == ({"bo"}, False)
    assert ("POST", "p1", SENT) in management.calls
    assert connections.claim_overdue(100) == [Owed("cy", CHAT, 3, since=3)]


def test_a_user_with_only_an_earlier_versions_socket_is_unreached_and_owes_nothing(
    gateway: Gateway, connections: Connections, management: Management
) -> None:
    connections._redis.zadd(f"conns:{{{keys.shard('bo')}}}:bo", {"old s1": time.time() + 900})

    delivery = deliver(gateway, "bo")
    time.sleep(1.1)

    assert (delivery.unreached, management.calls) == ({"bo"}, [])
    assert connections.claim_overdue(100) == []


def test_a_socket_that_is_gone_is_forgotten_and_its_user_unreached(
    gateway: Gateway, connections: Connections
) -> None:
    online(connections, "bo", "gone1")
    online(connections, "cy", "gone2", "c1")

    delivery = deliver(gateway, "bo", "cy")

    assert (delivery.unreached, delivery.failed) == ({"bo"}, False)
    assert [s.connection_id for s in connections.of(["bo", "cy"])] == ["c1"]


def test_only_users_whose_socket_took_it_owe_an_acknowledgement(
    gateway: Gateway, connections: Connections
) -> None:
    online(connections, "ana", "a1")
    online(connections, "bo", "gone1")
    online(connections, "cy", "c1")
    deliver(gateway, "ana", "bo", "cy", "dan")
    wait_until_overdue()

    assert connections.claim_overdue(100) == [Owed("cy", CHAT, 3, since=3)]


def test_g1_messages_that_a_socket_took_before_it_closed_are_still_owed(
    gateway: Gateway, connections: Connections
) -> None:
    online(connections, "bo", "b1")
    deliver(gateway, "bo", seq=2)
    connections.drop(connections.of(["bo"]))
    online(connections, "bo", "gone1")
    assert deliver(gateway, "bo", seq=3).unreached == {"bo"}
    wait_until_overdue()

    assert connections.claim_overdue(100) == [Owed("bo", CHAT, 2, since=2)]


def test_a_socket_that_is_young_is_not_dropped_for_a_410(
    gateway: Gateway, connections: Connections
) -> None:
    """During `$connect` a socket is recorded, and cannot be posted to."""
    young(connections, "bo", "gone1")

    assert deliver(gateway, "bo") == (set(), False)
    gateway.tell(["bo"], EVENT)

    assert connections.admit("gone1").user_id == "bo"
    assert [s.connection_id for s in connections.of(["bo"])] == ["gone1"]
    wait_until_overdue()
    assert connections.claim_overdue(100) == [Owed("bo", CHAT, 3, since=3)]


def test_a_socket_that_has_pinged_is_not_young_any_more(
    gateway: Gateway, connections: Connections
) -> None:
    young(connections, "bo", "gone1")
    connections.renew(connections.admit("gone1"))

    assert deliver(gateway, "bo") == ({"bo"}, False)


def test_a_socket_that_was_opened_a_while_ago_is_not_young(
    gateway: Gateway, connections: Connections
) -> None:
    young(connections, "bo", "gone1")
    [socket] = connections.of(["bo"])
    connections._redis.zincrby(keys.sockets("bo"), -YOUNG_SECONDS, socket.entry)

    assert deliver(gateway, "bo") == ({"bo"}, False)


def test_g1_the_senders_other_devices_count_as_everybody_elses(
    gateway: Gateway, connections: Connections
) -> None:
    online(connections, "ana", "sick1")
    online(connections, "bo", "b1")

    assert deliver(gateway, "ana", "bo") == (set(), True)
    wait_until_overdue()
    assert [owed.user_id for owed in connections.claim_overdue(100)] == ["bo"]


def test_a_user_who_was_pushed_to_owes_nothing(gateway: Gateway, connections: Connections) -> None:
    online(connections, "bo", "b1")
    gateway.deliver(["bo"], EVENT, chat_id=CHAT, seq=3, sender_id="ana", pushed={"bo"})
    wait_until_overdue()

    assert connections.claim_overdue(100) == []
