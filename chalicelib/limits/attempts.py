"""Attempts at a password, and the buckets that count them. Known devices have their own bucket."""

from typing import NamedTuple

from chalicelib.limits.buckets import LOOK, Held

# Looks at the device's bucket if the device is known, else at the others. KEYS: known devices, the
# device's bucket, the others. ARGV: of the device's and the others see LOOK, then the device or ''.
# Answers {1 if it is known, µs to wait, µs until each bucket is full}. Writes nothing.
LOOK_AT_DEVICE = f"""
local mark = ARGV[#ARGV]
local known = mark ~= '' and redis.call('ZSCORE', KEYS[1], mark)
local buckets, ARGV = {{KEYS[2]}}, ARGV
if not known then buckets, ARGV = {{unpack(KEYS, 3)}}, {{unpack(ARGV, 3)}} end
{LOOK}
return {{known and 1 or 0, wait, unpack(full)}}
"""

# Knows a device from now on. KEYS: known devices. ARGV: the device, now, how many are known at
# most, and for how many seconds.
LEARN_DEVICE = """
redis.call('ZADD', KEYS[1], redis.call('TIME')[1], ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -ARGV[2] - 1)
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 0
"""


class Guess(NamedTuple):
    """An attempt at a password: the keys of the login or of the account, all on one slot."""

    devices: str
    mark: str
    of_device: list[Held]
    of_strangers: list[Held]

    def own(self, known: bool) -> list[Held]:
        """The buckets that count it: the device's if it is known, otherwise the others."""
        return self.of_device if known else self.of_strangers


class Attempt(NamedTuple):
    """One try to sign in by a password. `by_name`: the buckets of the typed name and the
    address."""

    login: str
    address: str
    device_key: str | None
    by_name: list[list[Held]]
