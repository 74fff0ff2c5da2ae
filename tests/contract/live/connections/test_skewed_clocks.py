"""The clocks of functions are minutes wrong, and the records of sockets are right."""

import time
from typing import Any, cast

import pytest
import redis

from chalicelib.live.connections import Connections
from chalicelib.live.keys import shard as shard_of
from chalicelib.live.models import Owed
from chalicelib.live.registry import LIFETIME
from tests.contract.live.connections.people import CHAT, ids, someone, watching


class TestSkewedClocks:
    """A function whose clock is wrong: all times are by the clock of Redis."""

    @pytest.fixture(params=[-300, 300], ids=["behind", "ahead"])
    def skewed(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
        real, seconds = time.time, int(request.param)
        monkeypatch.setattr(time, "time", lambda: real() + seconds)
        return seconds

    @pytest.mark.usefixtures("skewed")
    def test_an_acknowledgement_is_overdue_by_the_clock_of_redis(
        self, connections: Connections
    ) -> None:
        bo = someone()
        connections.open(bo, "b1")
        connections.of_owing([bo.user_id], chat_id=CHAT, seq=5, sender_id="ana")
        assert connections.claim_overdue(100) == []
        connections.settle([Owed(bo.user_id, CHAT, 4)])
        time.sleep(1.1)

        assert connections.claim_overdue(100) == [Owed(bo.user_id, CHAT, 5, since=5)]
        assert connections.claim_overdue(100) == []

    def test_a_socket_expires_by_the_clock_of_redis(
        self, connections: Connections, client: redis.Redis, skewed: int
    ) -> None:
        bo = someone()
        connections.open(bo, "b1")
        place = f"conns:{{{shard_of(bo.user_id)}}}:{bo.user_id}"
        # Nearly at its end by the clock of Redis, and past it by ours if that is ahead.
        for entry, expiry in cast(Any, client.zrange(place, 0, -1, withscores=True)):
            client.zadd(place, {entry: expiry - LIFETIME + 200})

        assert ids(connections, bo) == ["b1"]
        assert connections.renew(connections.admit("b1")) == []
        assert ids(connections, bo) == ["b1"]

    @pytest.mark.usefixtures("skewed")
    def test_presence_uses_the_clock_of_redis(
        self, connections: Connections, client: redis.Redis
    ) -> None:
        ana, bo = someone(), someone()
        connections.open(ana, "a1")
        connections.open(bo, "b1")
        [(online, _)] = connections.watch(connections.admit("a1"), [bo.user_id])
        assert online
        assert watching(connections, bo) == [["a1"]]

        now = cast(Any, client.time())[0]
        _, left_at = connections.forget("b1") or ("", None)
        assert left_at is not None
        assert abs(left_at.timestamp() - now) < 5
        [(online, seen)] = connections.watch(connections.admit("a1"), [bo.user_id])
        assert (online, seen) == (False, left_at)

    @pytest.mark.usefixtures("skewed")
    def test_a_socket_is_young_by_the_clock_of_redis(self, connections: Connections) -> None:
        bo = someone()
        connections.open(bo, "b1")
        assert [socket.young for socket in connections.of([bo.user_id])] == [True]

        connections.renew(connections.admit("b1"))

        assert [socket.young for socket in connections.of([bo.user_id])] == [False]
