"""Data of a state folder without its passwords."""

import shutil
from pathlib import Path

import psycopg
import pytest

from tests.local.servers.conftest import Start


class TestDataWithoutPasswords:
    """Of an older checkout, or whose keys somebody deleted."""

    @pytest.mark.parametrize("how", ["older", "keys deleted"])
    def test_is_set_aside_and_reported(
        self, start: Start, tmp_path: Path, reports: list[str], how: str
    ) -> None:
        if how == "older":
            (tmp_path / "postgres/cluster").mkdir(parents=True)
            (tmp_path / "postgres/cluster/PG_VERSION").write_text("18\n")
        else:
            start("postgres").stop()
            shutil.rmtree(tmp_path / "keys")

        servers = start("postgres")

        psycopg.connect(servers.env["POSTGRES_URL"]).close()
        (told,) = [report for report in reports if "set aside" in report or "start empty" in report]
        (place,) = tmp_path.glob("before-*")
        assert str(place) in told
        assert (place / "postgres/cluster/PG_VERSION").exists()

    def test_is_not_set_aside_where_it_has_passwords(
        self, start: Start, tmp_path: Path, reports: list[str]
    ) -> None:
        servers = start("postgres", "redis")
        with psycopg.connect(servers.env["POSTGRES_URL"]) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
        servers.stop()

        with psycopg.connect(start("postgres").env["POSTGRES_URL"]) as connection:
            assert connection.execute("SELECT value FROM kept").fetchone() == (7,)
        assert not list(tmp_path.glob("before-*"))
