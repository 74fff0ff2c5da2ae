"""Token buckets in Redis: the script that takes from them, and what its answer means.

A bucket is one key, which holds when it will be full again, in µs (the generic cell rate
algorithm). A full one has no key.
"""

import hashlib
import ipaddress
import math
from collections.abc import Sequence
from typing import NamedTuple

from chalicelib import metrics
from chalicelib.errors import RateLimited
from chalicelib.limits import Bucket, Limit, Quota
from chalicelib.redis import Call

TAKE = """
local time = redis.call('TIME')
local now, wait, full = time[1] * 1000000 + time[2], 0, {}
for i, key in ipairs(buckets) do
  local interval, size = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  full[i] = math.max(tonumber(redis.call('GET', key) or now), now)
  if full[i] > now + interval * size then -- it was slower until its limit was changed
    full[i] = now + interval * size
    redis.call('SET', key, string.format('%.0f', full[i]), 'PX', math.ceil(interval * size / 1000))
  end
  wait = math.max(wait, full[i] + interval - now - interval * size)
end
wait = math.ceil(wait)
for i, key in ipairs(buckets) do
  if wait == 0 then
    full[i] = full[i] + tonumber(ARGV[2 * i - 1])
    redis.call('SET', key, string.format('%.0f', full[i]), 'PX', math.ceil((full[i] - now) / 1000))
  end
  full[i] = math.ceil(full[i] - now)
end
"""
"""Part of a script: takes one of each of `buckets`, or of none if one is empty. ARGV: of each the
µs that a token takes, and its size. Leaves `wait` and, of each, when it is `full`, in µs."""

_TAKE_ALL = f"local buckets = KEYS\n{TAKE}\nreturn {{wait, unpack(full)}}"


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


def sizes(buckets: Sequence[Held], cost: int = 1) -> list[int | float]:
    """What TAKE wants to know of them. What costs several tokens takes one of a bucket of fewer,
    larger ones, and of all it holds at most."""
    found: list[int | float] = []
    for _, _, bucket in buckets:
        tokens = min(cost, bucket.size)
        found += [bucket.interval * tokens, bucket.size / tokens]
    return found


def taking(buckets: Sequence[Held], cost: int = 1) -> Call:
    """Takes `cost` of each, or of none. All are on one slot. Answers as `judge` reads it."""
    return Call(_TAKE_ALL, [one.key for one in buckets], sizes(buckets, cost))


def judge(taken: Sequence[tuple[Sequence[Held], Sequence[int]]]) -> list[Quota]:
    """What is left, by what the scripts answered for their buckets: the wait, then when each is
    full. Raises RateLimited if there was too little."""
    waits = [answer[0] for _, answer in taken]
    quotas = [
        _quota(one, until_full)
        for buckets, answer in taken
        for one, until_full in zip(buckets, answer[1:], strict=True)
    ]
    if any(waits):
        metrics.count("RateLimited")
        raise RateLimited(math.ceil(max(waits) / 1_000_000), quotas)
    return quotas


def digest(subject: str) -> str:
    """Subjects are kept as digests: they are people's names, or come as anybody sends them."""
    return hashlib.sha256(subject.encode(errors="replace")).hexdigest()


def network(address: str) -> str:
    """Whom an address stands for, as a digest: with IPv6, anyone has 2^64 of them."""
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
