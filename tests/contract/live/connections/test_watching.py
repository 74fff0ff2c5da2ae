"""Who watches whose presence, on a real Redis."""

import time
from typing import Any

import pytest
import redis

from chalicelib.errors import Unauthorized
from chalicelib.live.connections import Connections
from tests.contract.live.connections.people import age, ids, someone, watching


class TestWatching:
    def test_returns_presence_and_the_watchers_to_tell(self, connections: Connections) -> None:
        ana, bo, cy = someone(), someone(), someone()
        connections.open(ana, "c1")
        connections.open(bo, "c2")

        found = connections.watch(connections.admit("c1"), [bo.user_id, cy.user_id])

        assert [(one.online, one.last_seen_at) for one in found] == [(True, None), (False, None)]
        assert watching(connections, bo, cy) == [["c1"], ["c1"]]

    def test_a_user_who_goes_offline_was_last_seen_now(self, connections: Connections) -> None:
        ana, bo = someone(), someone()
        connections.open(ana, "c1")
        connections.open(bo, "c2")
        connections.forget("c2")

        (found,) = connections.watch(connections.admit("c1"), [bo.user_id])

        assert not found.online
        assert found.last_seen_at is not None
        assert abs(found.last_seen_at.timestamp() - time.time()) < 5

    def test_replaces_the_users_that_the_socket_watched(self, connections: Connections) -> None:
        ana, bo, cy = someone(), someone(), someone()
        connections.open(ana, "c1")
        caller = connections.admit("c1")
        connections.watch(caller, [bo.user_id])

        connections.watch(caller, [cy.user_id])

        assert watching(connections, bo, cy) == [[], ["c1"]]

    def test_a_ping_says_when_to_renew(self, connections: Connections, client: redis.Redis) -> None:
        ana, bo = someone(), someone()
        connections.open(ana, "c1")
        caller = connections.admit("c1")
        connections.watch(caller, [bo.user_id])

        assert connections.renew(caller) == []
        age(client, "c1", "watched_at", seconds=310)
        assert connections.renew(caller) == [bo.user_id]
        connections.watch(caller, [bo.user_id])
        assert connections.renew(caller) == []

    def test_a_ping_costs_little_however_many_are_watched(
        self, connections: Connections, client: redis.Redis
    ) -> None:
        connections.open(someone(), "c1")
        caller = connections.admit("c1")
        watched = [someone().user_id for _ in range(200)]
        connections.watch(caller, watched)
        connections.renew(connections.admit("c1"))
        client.config_resetstat()

        connections.renew(connections.admit("c1"))

        stats: Any = client.info("commandstats")
        assert sum(command["calls"] for command in stats.values()) < 30

    def test_watching_costs_a_script_per_shard_however_many_are_watched(
        self, connections: Connections, client: redis.Redis
    ) -> None:
        connections.open(someone(), "c1")
        caller = connections.admit("c1")
        connections.watch(caller, [someone().user_id for _ in range(200)])
        watched = [someone().user_id for _ in range(200)]
        client.config_resetstat()

        assert len(connections.watch(caller, watched)) == 200

        stats: Any = client.info("commandstats")
        assert stats["cmdstat_evalsha"]["calls"] <= 64 + 64 + 1

    def test_of_a_forgotten_user_nothing_is_known_and_a_late_ping_tells_nothing(
        self, connections: Connections, client: redis.Redis
    ) -> None:
        ana, bo = someone(), someone()
        connections.open(ana, "c1")
        connections.open(bo, "c2")
        connections.watch(connections.admit("c2"), [ana.user_id])
        caller = connections.admit("c1")
        connections.drop(connections.of([ana.user_id]))
        connections.forget_user(ana.user_id)
        connections.renew(caller)
        connections.forget("c1")

        kept = [key for key in client.scan_iter() if ana.user_id in str(key)]
        assert not [key for key in kept if not key.startswith("rate:")]
        (found,) = connections.watch(connections.admit("c2"), [ana.user_id])
        assert (found.online, found.last_seen_at) == (False, None)

    def test_a_ping_brings_no_dropped_socket_back(self, connections: Connections) -> None:
        ana = someone()
        connections.open(ana, "c1")
        caller = connections.admit("c1")
        connections.drop(connections.of([ana.user_id]))

        assert connections.renew(caller) is None
        assert ids(connections, ana) == []
        with pytest.raises(Unauthorized):
            connections.admit("c1")
