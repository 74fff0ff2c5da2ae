"""CPU time by process, from what the kernel has counted."""

import os
import time
from collections.abc import Iterable, Mapping, Sequence

import psutil


class CpuMeter:
    """What each part has used between two looks, in seconds of CPU.

    A part is some processes, or the tree below one.
    """

    def __init__(self, processes: Mapping[str, Sequence[int]], trees: Mapping[str, int]) -> None:
        self._single = {
            name: [psutil.Process(pid) for pid in pids] for name, pids in processes.items()
        }
        self._trees = {name: psutil.Process(pid) for name, pid in trees.items()}
        self._before: dict[str, float] = {}
        self._busy_before = self._began = 0.0
        self.disturbance = 0.0
        """The share of the machine that other programs took."""

    def start(self) -> None:
        """Measure from here."""
        self._began = time.monotonic()
        self._before, self._busy_before = self._now(), _machine_busy()

    def stop(self) -> dict[str, float]:
        """By part since `start`; `other` is what the rest of the machine used meanwhile."""
        now = self._now()
        used = {name: max(0.0, after - self._before[name]) for name, after in now.items()}
        other = _machine_busy() - self._busy_before - sum(used.values())
        self.disturbance = max(0.0, other) / (time.monotonic() - self._began)
        self.disturbance /= os.cpu_count() or 1
        return {**used, "other": max(0.0, other)}

    def _now(self) -> dict[str, float]:
        own = {name: _own(processes) for name, processes in self._single.items()}
        return own | {name: _tree(process) for name, process in self._trees.items()}


def _own(processes: Iterable[psutil.Process]) -> float:
    times = [process.cpu_times() for process in processes]
    return float(sum(one.user + one.system for one in times))


def _tree(root: psutil.Process) -> float:
    """Of a process and all its descendants, those that have ended included."""
    total = 0.0
    for process in [root, *root.children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:  # its parent has counted it by the next look
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def _machine_busy() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)
