"""Posts to @connections: signed, in parallel, and how sockets that are gone are dropped.

The stand-in here checks signatures as the local cloud does, and answers as a connection's name
says.
"""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import pytest
import redis
from pydantic_core import from_json

from chalicelib import deadline, metrics
from chalicelib.auth.sessions.models import SIGNED_IN, NewSession
from chalicelib.auth.sessions.revocation import Revocation
from chalicelib.drivers import http
from chalicelib.errors import Unauthorized, Unavailable
from chalicelib.identity import Identity
from chalicelib.live import keys
from chalicelib.live.connections import Connections
from chalicelib.live.events import UNKNOWN, EndedBy, Socket, ended
from chalicelib.live.gateway import Gateway
from chalicelib.live.models import Owed
from chalicelib.live.posts import BACKOFF_SECONDS
from chalicelib.live.registry import YOUNG_SECONDS
from chalicelib.wire import now
from local.sigv4 import SignatureRefused, Verifier
from tests.contract.accounts import RoundTrips
from tests.contract.posts import EVENT
from tests.proxy import Proxy
from tests.unit.settings import settings

CHAT = "00000000-0000-7000-8000-00000000000c"
SENT = from_json(EVENT.to_wire())


class Management(ThreadingHTTPServer):
    """`gone…` is gone, `sick…` fails, `full…` has a full buffer, `once…` fails the first time,
    `busy…` is 429 twice, `slow…` takes its time, `hung…` longer than anybody waits. Where the
    account's rate is `used_up`, everything is 429."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.verifier = Verifier("test", "test")
        self.calls: list[tuple[str, str, Any]] = []
        self.lock = threading.Lock()
        self.used_up = False

    def answer(self, method: str, name: str, body: bytes) -> int:
        with self.lock:
            seen = [call for call in self.calls if call[1] == name]
            self.calls.append((method, name, json.loads(body) if body else None))
        if name.startswith("slow"):
            time.sleep(0.3)
        if name.startswith("hung"):
            time.sleep(3)
        if name.startswith("gone"):
            return 410
        if (name.startswith("full") and method == "POST") or self.used_up:
            return 429
        if name.startswith("busy") and len(seen) < 2:
            return 429
        if name.startswith("sick") or (name.startswith("once") and not seen):
            return 500
        return 200


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Management

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        stage, place, name = self.path.lstrip("/").split("/")
        try:
            self.server.verifier.check(self.command, self.path, "", headers, body)
            status = self.server.answer(self.command, unquote(name), body)
        except SignatureRefused:
            status = 403
        self.send_response(status if (stage, place) == ("api", "@connections") else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_DELETE = do_POST  # noqa: N815, so does the library call it

    def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002


@pytest.fixture
def management() -> Iterator[Management]:
    management = Management()
    threading.Thread(target=management.serve_forever, args=(0.01,), daemon=True).start()
    yield management
    management.shutdown()
    management.server_close()


@pytest.fixture
def connections(client: redis.Redis) -> Connections:
    return Connections(client, settings(delivered_within_seconds=1))


@pytest.fixture
def gateway(management: Management, connections: Connections) -> Gateway:
    url = f"http://127.0.0.1:{management.server_port}/api"
    return Gateway(settings(ws_endpoint_url=url), connections=connections)


def deliver(
    gateway: Gateway, *users: str, skip: str | None = None, seq: int = 3, again: bool = False
) -> Any:
    return gateway.deliver(
        users, EVENT, chat_id=CHAT, seq=seq, sender_id="ana", skip=skip, again=again
    )


def online(connections: Connections, user_id: str, *names: str) -> None:
    """With sockets that have pinged since they were opened."""
    for name in names:
        young(connections, user_id, name)
        connections.renew(connections.admit(name))


def of(management: Management, name: str) -> list[tuple[str, Any]]:
    """What was asked for a socket, in order."""
    return [(method, body) for method, who, body in management.calls if who == name]


def told(reason: EndedBy) -> Any:
    return from_json(ended(reason).to_wire())


def wait_until_overdue() -> None:
    """An acknowledgement is overdue after a second here, by the clock of Redis."""
    time.sleep(1.1)


def young(connections: Connections, user_id: str, name: str) -> None:
    connections.open(Identity(user_id=user_id, session_id="s1"), name)


def test_every_socket_but_the_skipped_one_gets_the_event(
    gateway: Gateway, connections: Connections, management: Management
) -> None:
    online(connections, "ana", "a1=", "a2=")
    online(connections, "bo", "b/1+=")

    delivery = deliver(gateway, "ana", "bo", "cy", skip="a1=")

    assert (delivery.unreached, delivery.failed) == ({"cy"}, False)
    assert sorted(management.calls) == [("POST", "a2=", SENT), ("POST", "b/1+=", SENT)]


def program(user_id: str, *scopes: str) -> Identity:
    return Identity(
        user_id=user_id, session_id="grant", client_id="board", scopes=frozenset(scopes)
    )


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


def test_a_wrong_key_reaches_nobody(management: Management, connections: Connections) -> None:
    url = f"http://127.0.0.1:{management.server_port}/api"
    wrong = settings(ws_endpoint_url=url, aws_secret_access_key="wrong")
    online(connections, "bo", "b1")

    assert deliver(Gateway(wrong, connections=connections), "bo").failed
    assert management.calls == []


def test_posts_that_a_wrong_clock_signed_at_once_are_all_signed_again(
    gateway: Gateway, management: Management, connections: Connections
) -> None:
    online(connections, "bo", "a", "b", "c")
    gateway._signer.ahead = 600  # as a clock that is ten minutes behind
    exchange, refused = gateway._http.exchange, threading.Barrier(3)

    def exchange_together(*arguments: Any, **options: Any) -> Any:
        answer = exchange(*arguments, **options)
        if answer.status == 403:
            refused.wait(10)
        return answer

    gateway._http.exchange = exchange_together  # type: ignore[method-assign]

    gateway.tell(["bo"], EVENT)

    assert sorted(name for _, name, _ in management.calls) == ["a", "b", "c"]


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


def test_a_post_that_fails_is_tried_once_more(
    gateway: Gateway, connections: Connections, management: Management
) -> None:
    online(connections, "bo", "once1")
    assert not deliver(gateway, "bo").failed

    online(connections, "cy", "sick1")
    delivery = deliver(gateway, "cy")
    assert (delivery.unreached, delivery.failed) == (set(), True)
    assert len([call for call in management.calls if call[1] == "sick1"]) == 2


def test_who_makes_a_change_learns_whether_a_socket_of_our_own_clients_missed_it(
    gateway: Gateway, connections: Connections, management: Management
) -> None:
    """A socket of a program is not waited for: its user has it on another device, or by a sync."""
    online(connections, "ana", "a1")
    connections.open(program("ana", "chats.read"), "sick1")
    connections.open(program("ana", "openid"), "p1")

    assert not gateway.tell_all(["ana", "nobody"], EVENT, skip="x")
    assert {call[1] for call in management.calls} == {"a1", "sick1"}
    assert not gateway.tell_all(["ana"], EVENT, skip="a1")
    online(connections, "bo", "sick2")
    assert gateway.tell_all(["ana", "bo"], EVENT)
    wait_until_overdue()
    assert connections.claim_overdue(100) == []


def test_a_post_that_is_429_is_tried_again_after_a_while(
    gateway: Gateway, connections: Connections, management: Management
) -> None:
    online(connections, "bo", "busy1")

    assert deliver(gateway, "bo") == (set(), False)
    assert len(management.calls) == 3


def test_one_that_stays_429_fails_and_is_counted_and_the_event_is_still_owed(
    gateway: Gateway, connections: Connections, management: Management
) -> None:
    online(connections, "bo", "full1")
    metrics.begin()

    assert deliver(gateway, "bo") == (set(), True)

    assert len(management.calls) == 1 + len(BACKOFF_SECONDS)
    assert '"PostsThrottled":1' in "".join(metrics.lines("dev"))
    wait_until_overdue()
    assert connections.claim_overdue(100) == [Owed("bo", CHAT, 3, since=3)]


def test_a_client_that_does_not_read_is_waited_for_once(
    gateway: Gateway, connections: Connections, management: Management
) -> None:
    online(connections, "bo", "full1")
    deliver(gateway, "bo")
    management.calls.clear()

    for seq in range(4, 9):
        assert deliver(gateway, "bo", seq=seq).failed

    assert len(management.calls) == 5


def test_events_that_need_no_acknowledgement_wait_for_nobody(
    gateway: Gateway, connections: Connections, management: Management
) -> None:
    online(connections, "bo", "full1", "b1")

    gateway.tell(["bo"], EVENT)

    assert sorted(management.calls) == [("POST", "b1", SENT), ("POST", "full1", SENT)]


def test_a_client_that_reads_nothing_also_at_the_second_delivery_is_closed(
    gateway: Gateway, connections: Connections, management: Management
) -> None:
    online(connections, "bo", "full1")
    online(connections, "cy", "full2", "c1")
    deliver(gateway, "bo", "cy")

    delivery = deliver(gateway, "bo", "cy", again=True)

    assert delivery == ({"bo"}, False)
    assert {name for method, name, _ in management.calls if method == "DELETE"} == {
        "full1",
        "full2",
    }
    assert [s.connection_id for s in connections.of(["bo", "cy"])] == ["c1"]


def test_none_is_closed_or_dropped_while_the_rate_of_the_account_is_used_up(
    gateway: Gateway, connections: Connections, management: Management
) -> None:
    online(connections, "bo", "b1", "b2")
    management.used_up = True
    assert deliver(gateway, "bo") == (set(), True)

    assert deliver(gateway, "bo", again=True) == (set(), True)
    assert len(connections.of(["bo"])) == 2

    management.used_up = False
    assert deliver(gateway, "bo", again=True) == (set(), False)


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


def test_posts_run_in_parallel(gateway: Gateway, connections: Connections) -> None:
    online(connections, "bo", *(f"slow{n}" for n in range(8)))
    started = time.monotonic()

    deliver(gateway, "bo")

    # In turn they would take 2.4 s.
    assert time.monotonic() - started < 1.5


def test_g9_all_posts_of_an_event_share_one_deadline(
    gateway: Gateway, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.live.gateway.POSTS_SECONDS", 0.5)
    online(connections, "bo", *(f"hung{n}" for n in range(60)))
    started = time.monotonic()

    assert deliver(gateway, "bo").failed
    gateway.tell(["bo"], EVENT)

    # The first sixteen are waited for, the others are not asked any more.
    assert time.monotonic() - started < 2 * 0.5 + 1


def test_nobody_listening_is_bounded(connections: Connections) -> None:
    gateway = Gateway(settings(), connections=connections)
    online(connections, "bo", "b1")

    assert deliver(gateway, "bo").failed


def test_a_kept_connection_that_the_server_closed_is_opened_again(
    gateway: Gateway, connections: Connections, management: Management
) -> None:
    online(connections, "bo", "b1")
    deliver(gateway, "bo")
    _Handler.protocol_version = "HTTP/1.0"  # closes after each answer
    try:
        for _ in range(3):
            assert not deliver(gateway, "bo").failed
    finally:
        _Handler.protocol_version = "HTTP/1.1"


def test_g5_closing_a_session_refuses_its_sockets_and_leaves_the_others(
    gateway: Gateway, connections: Connections, management: Management
) -> None:
    online(connections, "bo", "b1", "gone1")
    connections.open(Identity(user_id="bo", session_id="s2"), "b2")

    gateway.close_session("bo", "s1")

    assert [s.connection_id for s in connections.of(["bo"])] == ["b2"]
    assert of(management, "b1") == [("POST", told("revoked")), ("DELETE", None)]
    assert of(management, "gone1") == [("POST", told("revoked"))]


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("b", ["POST", "DELETE"]),
        ("gone", ["POST"]),
        ("full", ["POST", "DELETE"]),
        ("once", ["POST", "POST", "DELETE"]),
        ("sick", ["POST", "POST", "DELETE", "DELETE"]),
    ],
)
def test_g5_a_socket_gets_the_reason_and_is_closed_even_if_that_fails(
    gateway: Gateway, management: Management, name: str, asked: list[str]
) -> None:
    sockets = [Socket("bo", f"{name}{n}", "s1") for n in range(3)]

    gateway.hang_up(sockets, ended("signed_out"))

    for socket in sockets:
        calls = of(management, socket.connection_id)
        assert [method for method, _ in calls] == asked
        assert calls[0] == ("POST", told("signed_out"))


def test_g5_g9_sockets_that_cannot_be_told_in_time_are_closed_all_the_same(
    gateway: Gateway, management: Management, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.live.gateway.TELL_SECONDS", 0.2)
    monkeypatch.setattr("chalicelib.live.gateway.POSTS_SECONDS", 1.5)
    sockets = [Socket("bo", f"hung{n}", "s1") for n in range(16)]
    started = time.monotonic()

    gateway.hang_up(sockets, ended("signed_out"))

    assert time.monotonic() - started < 2.5
    for socket in sockets:
        assert [method for method, _ in of(management, socket.connection_id)] == ["POST", "DELETE"]


def test_a_socket_that_is_young_is_closed_although_it_cannot_be_told_yet(
    gateway: Gateway, management: Management
) -> None:
    gateway.hang_up([Socket("bo", "gone1", "s1", young=True)], ended("signed_out"))

    assert [method for method, _ in of(management, "gone1")] == ["POST", "DELETE"]


def test_posts_arrive_after_all_kept_connections_went_silent_together(
    management: Management, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "ANSWER_SECONDS", 0.5)
    names = [f"slow{number}" for number in range(16)]
    with Proxy("127.0.0.1", management.server_port) as proxy:
        url = f"http://127.0.0.1:{proxy.port}/api"
        gateway = Gateway(settings(ws_endpoint_url=url), connections=connections)
        online(connections, "bo", *names)
        assert not deliver(gateway, "bo").failed
        proxy.forget()

        online(connections, "cy", "c1")
        found = [deliver(gateway, "cy", seq=seq) for seq in range(8)]

    assert [each.failed for each in found] == [False] * 8


def test_g9_api_gateway_that_drips_is_not_waited_for(
    management: Management, connections: Connections
) -> None:
    with Proxy("127.0.0.1", management.server_port) as proxy:
        url = f"http://127.0.0.1:{proxy.port}/api"
        gateway = Gateway(settings(ws_endpoint_url=url), connections=connections)
        online(connections, "bo", "b1", "b2")
        proxy.drip = 1.0

        before = time.monotonic()
        assert deliver(gateway, "bo").failed
        assert time.monotonic() - before < 6  # two tries of an answer each
        deadline.begin(0.5)
        try:
            before = time.monotonic()
            assert deliver(gateway, "bo").failed
        finally:
            deadline.end()
        assert time.monotonic() - before < 2


def test_g5_ending_sessions_refuses_and_closes_all_of_theirs_in_two_round_trips(
    gateway: Gateway,
    connections: Connections,
    management: Management,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = connections._redis
    revocation = Revocation(client, settings())
    online(connections, "bo", "b1", "b2")
    for session_id, name in (("s2", "b3"), ("s3", "b4")):
        connections.open(Identity(user_id="bo", session_id=session_id), name)
    ended = ["s1", "s2"]
    gateway.end_sessions(
        "bo", ended, revocation.tombstones("bo", ended), "revoked"
    )  # loads the scripts
    online(connections, "bo", "b1", "b2")
    management.calls.clear()
    trips = RoundTrips(client, monkeypatch)

    gateway.end_sessions("bo", ended, revocation.tombstones("bo", ended), "revoked")

    assert trips.count == 2
    assert [revocation.stands("bo", one) for one in ("s1", "s2", "s3")] == [False, False, None]
    assert [s.connection_id for s in connections.of(["bo"])] == ["b4"]
    for name in ("b1", "b2"):
        assert of(management, name) == [("POST", told("revoked")), ("DELETE", None)]
    for name in ("b1", "b2", "b3"):
        with pytest.raises(Unauthorized):
            connections.admit(name)


def test_g5_a_socket_that_opens_while_its_session_ends_is_closed_too(
    gateway: Gateway,
    connections: Connections,
    management: Management,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    online(connections, "bo", "b1")
    late = Identity(user_id="bo", session_id="s1")
    expel = connections.expel
    opened: list[object] = []

    def racing(*arguments: Any) -> Any:
        if not opened:
            opened.append(connections.open(late, "b2"))
        return expel(*arguments)

    monkeypatch.setattr(connections, "expel", racing)
    tombstones = Revocation(connections._redis, settings()).tombstones("bo", ["s1"])
    gateway.end_sessions("bo", ["s1"], tombstones, "signed_out")

    assert connections.of(["bo"]) == []
    for name in ("b1", "b2"):
        assert of(management, name) == [("POST", told("signed_out")), ("DELETE", None)]


def test_g5_a_lost_answer_of_redis_leaves_no_socket_signed_in(
    gateway: Gateway,
    connections: Connections,
    management: Management,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    online(connections, "bo", "b1")
    expel = connections.expel

    def lost(*arguments: Any) -> Any:
        expel(*arguments)
        raise Unavailable("redis")

    revocation = Revocation(connections._redis, settings())
    tombstones = revocation.tombstones("bo", ["s1"])
    monkeypatch.setattr(connections, "expel", lost)
    with pytest.raises(Unavailable):
        gateway.end_sessions("bo", ["s1"], tombstones, "signed_out")

    assert revocation.stands("bo", "s1") is False
    with pytest.raises(Unauthorized):
        connections.admit("b1")
    # Nobody knows whether the session stands, so it is not said to have ended.
    assert of(management, "b1") == [("POST", from_json(UNKNOWN.to_wire())), ("DELETE", None)]
