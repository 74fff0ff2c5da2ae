"""Sums up measurements."""

import math
from collections.abc import Sequence

PERCENTILES = (50, 95, 99)


def percentiles(seconds: Sequence[float]) -> dict[str, float | None]:
    """The nearest-rank percentiles in milliseconds; None where nothing was measured."""
    ordered = sorted(seconds)
    return {
        f"p{rank}": round(ordered[math.ceil(len(ordered) * rank / 100) - 1] * 1000, 2)
        if ordered
        else None
        for rank in PERCENTILES
    }


def median_ms(seconds: Sequence[float]) -> float:
    """The median in milliseconds."""
    ordered = sorted(seconds)
    return round(ordered[len(ordered) // 2] * 1000, 1)
