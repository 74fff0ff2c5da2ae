"""Posts to @connections are signed, run in parallel, and are tried again."""

import threading
import time
from typing import Any

import pytest

from chalicelib import deadline
from chalicelib.drivers import http
from chalicelib.live.connections import Connections
from chalicelib.live.gateway import Gateway
from tests.contract.live.gateway.management import Handler, Management
from tests.contract.live.gateway.told import deliver, online, program, wait_until_overdue
from tests.contract.posts import EVENT
from tests.proxy import Proxy
from tests.unit.settings import settings


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
    Handler.protocol_version = "HTTP/1.0"  # closes after each answer
    try:
        for _ in range(3):
            assert not deliver(gateway, "bo").failed
    finally:
        Handler.protocol_version = "HTTP/1.1"


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
