"""Runs a load generator as its own process, and measures the CPU of both sides."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from bench.cpu import CpuMeter
from tests.cloud import ROOT

SECONDS = 120.0
LOAD = "load generator"


class Generator:
    """A load generator in its own process, and a meter that looks at both sides."""

    def __init__(
        self,
        module: str,
        address: str,
        *,
        processes: Mapping[str, Sequence[int]],
        trees: Mapping[str, int],
    ) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, address],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._meter = CpuMeter({**processes, LOAD: [self._process.pid]}, trees)

    def __enter__(self) -> "Generator":
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(SECONDS)

    def run(self, job: str, **given: Any) -> dict[str, Any]:
        """Do one job; its figures, with the CPU that each part used."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"job": job, **given}) + "\n")
        self._process.stdin.flush()
        used: dict[str, float] = {}
        for line in self._process.stdout:
            found: dict[str, Any] = json.loads(line)
            event = found.pop("event")
            if event == "measuring":
                self._meter.start()
            elif event == "measured":
                used = self._meter.stop()
            elif event == "progress":
                progress(f"    {found['text']}")
            elif event == "result":
                return {
                    **found,
                    "cpu_ms": _per_message(used, found["messages"]),
                    "disturbance": round(self._meter.disturbance, 3),
                }
        raise RuntimeError("The load generator died; its complaint is above.")


def _per_message(used: dict[str, float], messages: int) -> dict[str, float]:
    """`total` is what Parley and its servers used."""
    outside = (LOAD, "other")
    inside = {name: seconds for name, seconds in used.items() if name not in outside}
    whole = {"total": sum(inside.values()), **used}
    return {name: round(seconds * 1000 / max(1, messages), 3) for name, seconds in whole.items()}


def progress(text: str) -> None:
    """Say how far it is, beside the figures."""
    print(text, file=sys.stderr, flush=True)
