"""Socket tickets: Redis, and the stand-in for it, held to the same."""

import hashlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import redis

from chalicelib.auth.sessions.tickets import Tickets
from chalicelib.drivers.redis import connect
from chalicelib.errors import Unavailable
from chalicelib.identity import Identity
from tests.unit.auth.fakes import FakeTickets, auth_settings


class TestTickets:
    ANA = Identity(user_id="ana", session_id="s1", scopes=frozenset({"chats.read"}))

    @pytest.fixture(params=["fake", "redis"])
    def tickets(self, request: pytest.FixtureRequest) -> Tickets:
        if request.param == "fake":
            return FakeTickets()
        return Tickets(request.getfixturevalue("client"), auth_settings())

    @pytest.mark.parametrize("who", [ANA, replace(ANA, client_id="board")])
    def test_work_once_and_name_the_client(self, tickets: Tickets, who: Identity) -> None:
        ticket = tickets.issue(who)

        assert tickets.redeem(ticket) == who
        assert tickets.redeem(ticket) is None

    def test_of_an_earlier_version_are_refused(self, client: redis.Redis) -> None:
        digest = hashlib.sha256(b"old").hexdigest()
        client.set(f"ticket:{digest}", json.dumps(["ana", "s1", ["chats.read"]]))

        assert Tickets(client, auth_settings()).redeem("old") is None

    @pytest.mark.parametrize("ticket", ["", "nope", "*", "\ud800", "x" * 100_000])
    def test_unknown_tickets_are_refused(self, tickets: Tickets, ticket: str) -> None:
        assert tickets.redeem(ticket) is None

    def test_only_one_of_many_redeems(self, client: redis.Redis) -> None:
        tickets = Tickets(client, auth_settings())
        ticket = tickets.issue(self.ANA)

        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(lambda _: tickets.redeem(ticket), range(16)))

        assert sum(result is not None for result in results) == 1

    def test_end_by_themselves(self, client: redis.Redis) -> None:
        tickets = Tickets(client, auth_settings(socket_ticket_seconds=40))
        ticket = tickets.issue(self.ANA)
        (key,) = client.keys()
        assert ticket not in key
        assert 0 < client.pttl(key) <= 40_000
        client.pexpire(key, 1)
        time.sleep(0.05)

        assert tickets.redeem(ticket) is None

    def test_without_redis_there_are_no_tickets(self) -> None:
        tickets = Tickets(connect("redis://127.0.0.1:1"), auth_settings())

        with pytest.raises(Unavailable):
            tickets.issue(self.ANA)
        with pytest.raises(Unavailable):
            tickets.redeem("x")
