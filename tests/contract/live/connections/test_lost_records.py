"""Redis loses records, or does not answer."""

import time
from typing import Any, cast

import pytest
import redis

from chalicelib.drivers.redis import connect
from chalicelib.errors import Unavailable
from chalicelib.live.connections import Connections
from chalicelib.live.keys import shard as shard_of
from chalicelib.live.models import Owed
from tests.contract.live.connections.people import CHAT, someone
from tests.unit.settings import settings


def test_scripts_lost_in_a_restart_are_loaded_again(
    connections: Connections, client: redis.Redis
) -> None:
    ana = someone()
    connections.open(ana, "c1")
    client.script_flush()

    assert connections.admit("c1").user_id == ana.user_id


def test_a_redis_that_is_not_there_is_unavailable() -> None:
    connections = Connections(connect("redis://127.0.0.1:1"), settings())

    for call in (
        lambda: connections.admit("c1"),
        lambda: connections.open(someone(), "c1"),
        lambda: connections.of(["u"]),
        lambda: connections.forget("c1"),
        lambda: connections.forget_user("u"),
        lambda: connections.claim_overdue(9),
        lambda: connections.ping(),
    ):
        with pytest.raises(Unavailable):
            call()


class TestEviction:
    """Redis may drop any key that expires, and a server that lost its data has none."""

    def test_g1_a_socket_that_is_not_in_its_users_list_is_refused(
        self, connections: Connections, client: redis.Redis
    ) -> None:
        bo = someone()
        for name in ("b1", "b2"):
            connections.open(bo, name)
        client.delete(f"conns:{{{shard_of(bo.user_id)}}}:{bo.user_id}")
        connections.open(bo, "b3")

        assert connections.renew(connections.admit("b1")) is None
        assert connections.renew(connections.admit("b3")) == []

    def test_what_is_owed_without_its_seqs_is_forgotten_when_it_is_claimed(
        self, connections: Connections, client: redis.Redis
    ) -> None:
        bo = someone()
        connections.open(bo, "b1")
        connections.of_owing([bo.user_id], chat_id=CHAT, seq=5, sender_id="ana")
        client.delete(f"owed-seqs:{{{shard_of(bo.user_id)}}}")
        time.sleep(1.1)

        connections.settle(connections.claim_overdue(100))

        assert client.keys("owed*") == []

    def test_g1_what_is_owed_without_its_deadline_is_overdue_with_the_next_message(
        self, connections: Connections, client: redis.Redis
    ) -> None:
        bo = someone()
        connections.open(bo, "b1")
        for seq in (5, 6):
            connections.of_owing([bo.user_id], chat_id=CHAT, seq=seq, sender_id="ana")
            if seq == 5:
                client.delete(f"owed:{{{shard_of(bo.user_id)}}}")
        time.sleep(1.1)

        assert connections.claim_overdue(100) == [Owed(bo.user_id, CHAT, 6, since=5)]

    def test_nothing_that_is_owed_may_be_evicted(
        self, connections: Connections, client: redis.Redis
    ) -> None:
        """The policy takes keys that expire, and no others."""
        bo = someone()
        connections.open(bo, "b1")
        connections.of_owing([bo.user_id], chat_id=CHAT, seq=5, sender_id="ana")

        owed = cast(Any, client.keys("owed*"))
        assert len(owed) == 2
        assert [client.ttl(key) for key in owed] == [-1, -1]
