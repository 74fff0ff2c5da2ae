"""Token buckets in Redis: the scripts that take from them, and how to read their answers.

A bucket is one key, which holds when it will be full again, in µs (the generic cell rate
algorithm). A full one has no key.
"""

import hashlib
import ipaddress
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from chalicelib.drivers.redis import Command
from chalicelib.errors.counted import rate_limited
from chalicelib.limits.table import Bucket, Limit, Quota, Use, fields_of

_LEVELS = """
local time = redis.call('TIME')
local now, wait, full = time[1] * 1000000 + time[2], 0, {}
for i, key in ipairs(buckets) do
  local interval, size = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  full[i] = math.max(tonumber(redis.call('GET', key) or now), now)
  if full[i] > now + interval * size + 1 then -- it was slower until its limit was changed
    full[i] = now + interval * (size - 1)
  end
  wait = math.max(wait, full[i] + interval - now - interval * size)
end
wait = math.ceil(wait)
"""
_TIMES = """
for i in ipairs(buckets) do full[i] = math.ceil(full[i] - now) end
"""
LOOK = _LEVELS + _TIMES
"""Part of a script: whether there is one in each of `buckets`. ARGV: of each the µs that a token
takes, and its size. Leaves `wait` and, of each, when it is `full`, in µs. Writes nothing."""

TAKE = f"""
{_LEVELS}
if wait == 0 then
  for i, key in ipairs(buckets) do
    full[i] = full[i] + tonumber(ARGV[2 * i - 1])
    redis.call('SET', key, string.format('%.0f', full[i]), 'PX', math.ceil((full[i] - now) / 1000))
  end
end
{_TIMES}
"""
"""As LOOK, and takes one of each; of none, and writes nothing, if one is empty."""

_LOOK_ALL = f"local buckets = KEYS\n{LOOK}\nreturn {{wait, unpack(full)}}"
_TAKE_ALL = f"local buckets = KEYS\n{TAKE}\nreturn {{wait, unpack(full)}}"

# Gives one back to each bucket, unless it is full. KEYS: buckets. ARGV: see LOOK.
_GIVE_ALL = """
for i, key in ipairs(KEYS) do
  local interval = tonumber(ARGV[2 * i - 1])
  local left = redis.call('PTTL', key) - math.ceil(interval / 1000)
  if left > 0 then
    local full = tonumber(redis.call('GET', key)) - interval
    redis.call('SET', key, string.format('%.0f', full), 'PX', left)
  else
    redis.call('DEL', key)
  end
end
return 0
"""


class Held(NamedTuple):
    """Somebody's bucket."""

    name: str
    key: str
    bucket: Bucket


def held(limits: tuple[str, Limit], owner: str, **parts: str | None) -> list[Held]:
    """The buckets of one class whose keys share the slot of `owner`; of each kind the part of the
    key that tells it from others of its kind. Kinds without a part are left out."""
    name, limit = limits
    return [
        Held(f"{name}-{kind}", f"rate:{{{owner}}}:{name}:{kind}:{parts[kind]}", bucket)
        for kind, bucket in limit.buckets.items()
        if parts.get(kind) is not None
    ]


def of_caller(
    limits: Mapping[str, Limit], use: Use, user_id: str, session_id: str, client_id: str | None
) -> list[Held]:
    """The buckets that a caller's use takes from. An OAuth client has its own buckets for each
    user, so it takes nothing from our own clients or from other OAuth clients."""
    program = client_id or ""
    target = program + digest(use.target) if use.target else None
    limit = use.limit, limits[use.limit]
    return held(limit, user_id, user=program, session=session_id, target=target)


def sizes(buckets: Sequence[Held], cost: int = 1) -> list[int | float]:
    """The arguments of LOOK and TAKE for these buckets. A cost of several tokens is taken as one
    token of a bucket with fewer, larger tokens. It is never more than the whole bucket."""
    found: list[int | float] = []
    for _, _, bucket in buckets:
        tokens = min(cost, bucket.size)
        found += [bucket.interval * tokens, bucket.size / tokens]
    return found


def looking(buckets: Sequence[Held]) -> Command:
    """Checks whether each has a token. All are on one slot. `judge` reads the answer."""
    return Command(_LOOK_ALL, [one.key for one in buckets], sizes(buckets))


def taking(buckets: Sequence[Held], cost: int = 1) -> Command:
    """Takes `cost` tokens from each, or from none. All are on one slot. `judge` reads the
    answer."""
    return Command(_TAKE_ALL, [one.key for one in buckets], sizes(buckets, cost))


def giving(buckets: Sequence[Held]) -> Command:
    """Gives one token back to each."""
    return Command(_GIVE_ALL, [one.key for one in buckets], sizes(buckets))


def judge(taken: Sequence[tuple[Sequence[Held], Sequence[int]]]) -> list[Quota]:
    """What is left of each bucket, by the answer of a script: the wait, then when each is full.
    Raises RateLimited if there was too little."""
    waits = [answer[0] for _, answer in taken]
    quotas = [
        _quota(one, until_full)
        for buckets, answer in taken
        for one, until_full in zip(buckets, answer[1:], strict=True)
    ]
    if any(waits):
        raise rate_limited(math.ceil(max(waits) / 1_000_000), fields_of(quotas))
    return quotas


def digest(subject: str) -> str:
    """The digest of a subject. Subjects are names of people, or any text that a client sent."""
    return hashlib.sha256(subject.encode(errors="replace")).hexdigest()


def network(address: str) -> str:
    """The network of an address, as a digest: with IPv6, one subscriber has 2^64 addresses."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return digest(address)
    if parsed.version == 6 and parsed.ipv4_mapped is None:
        return digest(str(ipaddress.ip_network((parsed, 64), strict=False)))
    return digest(str(parsed))


def _quota(one: Held, until_full: int) -> Quota:
    interval = one.bucket.interval
    missing = math.ceil(until_full / interval)
    more_in = math.ceil((until_full - (missing - 1) * interval) / 1_000_000) if missing else 0
    return Quota(one.name, one.bucket, max(0, one.bucket.size - missing), more_in)
