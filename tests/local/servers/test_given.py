"""Servers whose URLs are given."""

from pathlib import Path

import pytest
import redis

from local.servers import ServerUnavailable, start_all
from tests.local.servers.conftest import Start


class TestGivenServers:
    def test_are_used_and_left_running(self, start: Start, tmp_path: Path) -> None:
        own = start_all(tmp_path / "own", ["redis"], print, given={})
        try:
            url = own["redis"].url
            servers = start("redis", REDIS_URL=url)
            assert servers.env["REDIS_URL"] == url
            assert servers.pids() == {}

            servers.stop()

            with redis.Redis.from_url(url) as client:
                assert client.ping()
        finally:
            own.stop()

    def test_that_do_not_answer_are_named_without_their_password(
        self, start: Start, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("local.servers.given.ANSWERS_WITHIN", 0.1)

        with pytest.raises(ServerUnavailable, match="REDIS_URL") as refusal:
            start("redis", REDIS_URL="redis://someone:hunter2@127.0.0.1:1/0")

        assert "127.0.0.1:1" in str(refusal.value)
        assert "hunter2" not in str(refusal.value)
