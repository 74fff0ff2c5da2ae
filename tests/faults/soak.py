"""Bad days, one after the other, for as long as one likes: `make soak MINUTES=10`.

Not part of `make test`. Each store gets its half of the time.
"""

import os
import random
import time

from tests.faults.bad_day import bad_day
from tests.faults.conftest import STORES, Run
from tests.faults.trouble import Trouble

SECONDS = 60 * float(os.environ.get("MINUTES") or "10") / len(STORES)


def test_g1_g2_g3_g9_many_bad_days_lose_nothing(run: Run, trouble: Trouble, seed: int) -> None:
    ends, day = time.monotonic() + SECONDS, 0
    while time.monotonic() < ends:
        day += 1
        print(f"-- day {day}, {ends - time.monotonic():.0f} s to go, {trouble.store}", flush=True)
        run(bad_day(trouble, random.Random(f"{seed} {day}"), troubles=4))
