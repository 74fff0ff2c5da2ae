"""What is measured, and how much of it."""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from bench import starts
from bench.generator import SECONDS, Generator, progress
from bench.peers.servers import PEERS
from chalicelib.limits.table import TABLE
from tests.cloud import ROOT, Cloud

LABELS = {
    "postgres": "Messages in PostgreSQL",
    "mongo": "Messages in MongoDB",
}
STAND_IN = "Messages in MongoDB (SecantusDB stands in for it: its speed says nothing of MongoDB's)"
# Measured is what a send costs, not how many a user may send.
SETTINGS = {
    "RATE_LIMITS": json.dumps(
        {
            name: dict.fromkeys(limit.buckets, (1_000_000, 1))
            for name, limit in TABLE.items()
            if limit.buckets
        }
    ),
    "DELIVERED_WITHIN_SECONDS": "86400",
}


@dataclass(frozen=True)
class Plan:
    """How much to measure."""

    stores: tuple[str, ...] = ("mongo", "postgres")
    pairs: tuple[tuple[int, int, bool], ...] = (
        (1, 1, False),
        (10, 1, False),
        (50, 1, False),
        (50, 4, False),
        (10, 1, True),
    )
    """(pairs, under way in each, whether receivers acknowledge)"""
    warm_up: float = 2.0
    seconds: float = 8.0
    devices: tuple[int, ...] = (1, 5, 20)
    fan_out_messages: int = 60
    repeats: int = 5
    second_start: bool = True


QUICK = Plan(
    stores=("postgres",),
    pairs=((1, 1, False), (10, 1, False), (50, 1, False), (10, 4, False)),
    warm_up=0.3,
    seconds=1.0,
    devices=(1, 5),
    fan_out_messages=10,
    repeats=1,
    second_start=False,
)


def measure(
    plan: Plan, stores: tuple[str, ...], against: tuple[str, ...], workers: int
) -> dict[str, Any]:
    """Everything, in one run."""
    began, load_before = time.monotonic(), os.getloadavg()[0]
    found: dict[str, Any] = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "stores": {}}
    found["peers"] = {}
    times: dict[str, float | None] = {"first start": None, "second start": None}
    progress("imports")
    found["imports"] = starts.imports(plan.repeats)
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder:
        for number, store in enumerate(stores):
            cloud = Cloud(Path(folder), "--messages", store, "--workers", str(workers), **SETTINGS)
            with _served(cloud, store) as seconds:
                times["second start" if number else "first start"] = seconds
                about = cloud.about
                about["environment"] |= SETTINGS
                found["stores"][store] = _store(plan, store, about)
                if store == "postgres":
                    found["peers"] = {
                        name: _peer(plan, name, Path(folder), about) for name in against
                    }
                if number == len(stores) - 1:
                    progress("first events in fresh workers")
                    found["first_events"] = starts.first_events(about, plan.repeats)
        if plan.second_start and len(stores) == 1:
            with _served(cloud, store) as seconds:
                times["second start"] = seconds
    found["starts"] = {
        **times,
        "its set-up, with nothing to do": starts.set_up_again(),
    }
    found["settings"] = {"workers": workers, **SETTINGS}
    found["machine"] = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "python": platform.python_version(),
        "load_average": [round(load_before, 1), round(os.getloadavg()[0], 1)],
    }
    found["seconds"] = time.monotonic() - began
    return found


@contextmanager
def _served(cloud: Cloud, store: str) -> Iterator[float]:
    """A running cloud; how many seconds it took to be ready."""
    progress(f"starting a local cloud with messages in {store}")
    started = time.monotonic()
    try:
        cloud.start()
        yield round(time.monotonic() - started, 1)
    finally:
        progress("  stopping it")
        cloud.stop()


def _store(plan: Plan, store: str, about: dict[str, Any]) -> dict[str, Any]:
    stands_in = store == "mongo" and "mongo" in about["servers"]
    found: dict[str, Any] = {"label": STAND_IN if stands_in else LABELS[store]}
    with Generator(
        "bench.load",
        about["http_url"],
        processes={"gateway": [about["pid"]], "workers": about["workers"]},
        trees=about["servers"],
    ) as generator:
        found["sends"] = []
        for pairs, under_way, acknowledge in plan.pairs:
            acknowledged = ", acknowledged" if acknowledge else ""
            progress(f"  pairs: {pairs}, under way in each: {under_way}{acknowledged}")
            found["sends"].append(
                generator.run(
                    "pairs",
                    pairs=pairs,
                    under_way=under_way,
                    acknowledge=acknowledge,
                    warm_up=plan.warm_up,
                    seconds=plan.seconds,
                )
            )
        progress("  fan-out")
        found["fan_out"] = [
            generator.run("devices", devices=devices, messages=plan.fan_out_messages)
            for devices in plan.devices
        ]
    progress("  round trips")
    found["round_trips"] = _round_trips(about)
    return found


def _peer(plan: Plan, name: str, folder: Path, about: dict[str, Any]) -> list[dict[str, Any]]:
    """The same loops through another server, on the same PostgreSQL."""
    loads = [(pairs, under_way) for pairs, under_way, acknowledge in plan.pairs if not acknowledge]
    peer = PEERS[name](name, folder, about["environment"]["POSTGRES_URL"])
    found = []
    progress(f"{name}")
    with peer.running(users=2 * max(pairs for pairs, _ in loads)):
        trees = {name: peer.pid, "postgres": about["servers"]["postgres"]}
        with Generator("bench.peers.xmpp", str(peer.port), processes={}, trees=trees) as generator:
            for pairs, under_way in loads:
                progress(f"  pairs: {pairs}, under way in each: {under_way}")
                before = peer.archived()
                one = generator.run(
                    "pairs",
                    pairs=pairs,
                    under_way=under_way,
                    warm_up=plan.warm_up,
                    seconds=plan.seconds,
                )
                one["archived_for_each"] = round((peer.archived() - before) / one["arrived"], 3)
                found.append(one)
    return found


def _round_trips(about: dict[str, Any]) -> dict[str, dict[str, int]]:
    """In another process, which imports the app with its calls led through the taps."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.trips"],
        cwd=ROOT,
        input=json.dumps(about),
        stdout=subprocess.PIPE,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    found: dict[str, dict[str, int]] = json.loads(done.stdout)
    return found


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
