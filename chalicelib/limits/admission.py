"""Admission: one script checks that a session is valid and takes from its buckets."""

from collections.abc import Sequence

from chalicelib.drivers.redis import Command
from chalicelib.limits.buckets import TAKE, Held, sizes

# Reads a session's key and, unless it is revoked, takes of its buckets. KEYS: session, buckets.
# ARGV: see TAKE. Answers {state, µs to wait, µs until each bucket is full}.
_ADMIT = f"""
local state = redis.call('GET', KEYS[1])
if state == '0' then return {{state}} end
local buckets = {{unpack(KEYS, 2)}}
{TAKE}
return {{state or '', wait, unpack(full)}}
"""


def admitting(user_id: str, session_id: str, own: Sequence[Held], cost: int = 1) -> Command:
    """Reads the state of a session, and takes from its buckets. Returns {state, …}: see _ADMIT."""
    keys = [session_key(user_id, session_id), *(one.key for one in own)]
    return Command(_ADMIT, keys, sizes(own, cost))


def session_key(user_id: str, session_id: str) -> str:
    """The key with the state of a session: "1" for valid, "0" for revoked."""
    return f"session:{{{user_id}}}:{session_id}"
