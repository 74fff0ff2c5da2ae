"""The benchmark runs, says what it promises, and counts the round trips of the budget."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.measuring import SETTINGS
from tests.cloud import ROOT, Cloud

SENDS = {
    "pairs", "under_way", "messages", "per_second", "delivery_ms", "answer_ms", "errors",
    "verified", "cpu_ms",
}  # fmt: skip
PARTS = {"total", "gateway", "workers", "postgres", "redis", "rabbitmq", "load generator", "other"}


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    file: Path = tmp_path_factory.mktemp("bench") / "bench.json"
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--quick", "--json", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout, json.loads(file.read_text())


class TestQuickRun:
    def test_measures_sends_and_proves_that_they_arrived(
        self, output: tuple[str, dict[str, Any]]
    ) -> None:
        store = output[1]["stores"]["postgres"]

        assert [one["pairs"] for one in store["sends"]] == [1, 10, 50, 10]
        for one in store["sends"] + store["fan_out"]:
            proof = one["verified"]
            assert one["errors"] == {}
            assert one["messages"] > 0
            assert proof["acknowledged"] == proof["stored"] == proof["arrived"]
            assert (proof["lost"], proof["stored_twice"]) == (0, 0)
            assert one["cpu_ms"].keys() >= PARTS
        for one in store["sends"]:
            assert one.keys() >= SENDS
            assert 0 < one["delivery_ms"]["p50"] <= one["delivery_ms"]["p99"]
        assert sum(one["cpu_ms"]["total"] for one in store["sends"]) > 0
        assert [one["devices"] for one in store["fan_out"]] == [1, 5]

    def test_measures_imports_first_events_and_starts(
        self, output: tuple[str, dict[str, Any]]
    ) -> None:
        found = output[1]

        assert {"app", "chalicelib.notify.worker"} <= found["imports"].keys()
        assert all(one["ms"] > 0 for one in found["imports"].values())
        assert all(one["first_ms"] > 0 for one in found["first_events"].values())
        assert found["starts"]["first start"] > 0
        assert found["machine"]["cores"] > 0

    def test_prints_tables_and_then_one_line_of_json(
        self, output: tuple[str, dict[str, Any]]
    ) -> None:
        *tables, last = output[0].strip().splitlines()

        assert json.loads(last) == output[1]
        for title in ("Messages in PostgreSQL", "Round trips, counted on the wire", "Starting"):
            assert title in tables

    def test_a_send_costs_what_the_budget_allows_on_postgres(
        self, output: tuple[str, dict[str, Any]]
    ) -> None:
        trips = output[1]["stores"]["postgres"]["round_trips"]

        assert_budget(trips, store="postgres", most=2)


def test_a_send_costs_what_the_budget_allows_on_mongo(cloud: Cloud) -> None:
    about = cloud.about
    about["environment"] |= SETTINGS
    done = subprocess.run(
        [sys.executable, "-m", "bench.trips"],
        cwd=ROOT,
        input=json.dumps(about),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]

    assert_budget(json.loads(done.stdout), store="mongo", most=3)


def assert_budget(trips: dict[str, dict[str, int]], *, store: str, most: int) -> None:
    online = trips["message.send, receiver online"]
    absent = trips["message.send, receiver absent"]
    assert 1 <= online[store] <= most
    assert absent[store] == online[store]
    assert (online["redis"], absent["redis"]) == (2, 2)
    assert online["posts to sockets"] == 1
    # The event of the message; where somebody is absent, the push goes with it.
    assert (online["rabbitmq"], absent["rabbitmq"]) == (1, 1)
    assert trips["GET /v1/users/me"]["redis"] == 1
