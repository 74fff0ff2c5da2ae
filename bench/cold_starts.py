"""What packaged functions spend on starting, with bytecode and without.

`python -m bench.cold_starts` packages for this machine, unpacks that as Lambda does, and starts
each function again for each figure, under AWS's runtime client and on the servers of a local cloud.
"""

import argparse
import os
import platform
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

from bench.function import failure
from bench.samples import median_ms
from infra.package import stage, zips
from tests.cloud import Cloud
from tests.deploy.runtime.callers import Ana, typical_events
from tests.deploy.runtime.deployment import Deployment
from tests.deploy.runtime.function import HERE, VERSION, Function, Unpacked, unpack

NOTHING = "json.dumps"  # the runtime client has loaded it anyway


class Start(NamedTuple):
    """Processor seconds until the function asked for an event, and for that event; its memory."""

    imported: float
    first: float
    megabytes: float


def main() -> None:
    """Print a table, a line at a time."""
    parser = argparse.ArgumentParser(prog="python -m bench.cold_starts", description=__doc__)
    parser.add_argument("--times", type=int, default=9, help="starts that a figure sums up")
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        compiled = _container(root / "compiled")
        with patch("infra.package.bytecode.interpreter", lambda target: None):
            sources = _container(root / "sources")
        options = ["--workers", "1", "--no-demo", "--schedule-seconds", "0"]
        cloud = Cloud(root / "cloud", *options).start()
        environment = {
            **cloud.about["environment"],
            "STAGE": "dev",
            "RATE_LIMITS": '{"register": {"address": [100000, 1]}}',
        }
        deployment = Deployment(compiled, environment, root)
        try:
            print(f"{platform.machine()}, Python {platform.python_version()}, ", end="")
            print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}")
            for line in _table(deployment, [compiled, sources], environment, root, times):
                print(line, flush=True)
        finally:
            deployment.stop()
            cloud.stop()


def _container(folder: Path) -> Unpacked:
    stage(folder / "staged", architecture=HERE, python=VERSION)
    return unpack(zips.build(folder / "staged"), folder / "container")


def _table(
    deployment: Deployment,
    containers: list[Unpacked],
    environment: dict[str, str],
    logs: Path,
    times: int,
) -> Iterator[str]:
    def bare() -> float:
        log = logs / "nothing.log"
        function = Function("nothing", containers[0], environment, log, handler=NOTHING)
        seconds = function.cpu_seconds()
        function.stop()
        return seconds

    nothing = sorted(bare() for _ in range(times))[times // 2]
    columns = f"{'import':>9}{'event':>7}{'both':>7}{'MB':>5}"
    yield f"\n{'':20}{'with bytecode':>28}{'without':>28}"
    yield f"{'CPU ms':20}{columns}{columns}"
    ana = Ana(deployment)
    for what in typical_events(ana):
        line = f"{what:20}"
        for container in containers:
            starts = []
            for _ in range(times):
                name, event = typical_events(ana)[what]
                function = Function(name, container, environment, logs / f"{name}.cold.log")
                starts.append(_handle(function, event, nothing))
            line += _cells(starts)
        yield line
    yield f"\nNot counted: {nothing * 1000:.0f} ms for an interpreter with AWS's client alone."


def _handle(function: Function, event: object, nothing: float) -> Start:
    try:
        imported = function.cpu_seconds()
        if problem := failure(function.invoke(event)):
            raise RuntimeError(f"It answered {problem}")
        first = function.cpu_seconds() - imported
        return Start(max(0.0, imported - nothing), first, function.peak_megabytes())
    finally:
        function.stop()


def _cells(starts: list[Start]) -> str:
    imported, first = (
        median_ms([start.imported for start in starts]),
        median_ms([start.first for start in starts]),
    )
    megabytes = sorted(start.megabytes for start in starts)[len(starts) // 2]
    return f"{imported:9.0f}{first:7.0f}{imported + first:7.0f}{megabytes:5.0f}"


if __name__ == "__main__":
    main()
