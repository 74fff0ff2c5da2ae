"""A time that is stored and compared later comes from the clock of the server that stores it. The
clock of a function may be minutes wrong (docs/decisions/0045)."""

from datetime import datetime
from typing import Final

SKEW = 600
"""How many seconds the clocks of two functions may be apart: one is five minutes behind, the other
five minutes ahead. Times that a function compares by itself allow for that."""


class Now:
    """The time when PostgreSQL began the transaction, by its own clock."""


NOW: Final = Now()

Time = datetime | Now
"""The type of a time that a PostgreSQL store takes. Tests pass a fixed time."""
