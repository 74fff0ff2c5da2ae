"""Limits on guessing: attempts take tokens before any password is hashed.

A guesser must not lock the owner out. So a device that has signed in is known to the account by a
key that it made up itself, and its attempts count apart from everybody else's: OWASP's device
cookies, without the cookie.
"""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.buckets import TAKE, Held, digest, held, judge, network, sizes, taking
from chalicelib.config import Settings
from chalicelib.errors import RateLimited
from chalicelib.limits import Limit, Quota, Use
from chalicelib.redis import Call, Scripts, guarded

if TYPE_CHECKING:
    import redis

KNOWN_DEVICES = 20
KNOWN_SECONDS = 60 * 60 * 24 * 180

# Takes of the device's bucket where it is known, else of all but that. KEYS: known devices, the
# device's bucket, the others. ARGV: of the device's and the others see TAKE, then the device or ''.
# Answers {1 if it is known, µs to wait, µs until each bucket is full}.
_GUESS = f"""
local mark = ARGV[#ARGV]
local known = mark ~= '' and redis.call('ZSCORE', KEYS[1], mark)
local buckets, ARGV = {{KEYS[2]}}, ARGV
if not known then buckets, ARGV = {{unpack(KEYS, 3)}}, {{unpack(ARGV, 3)}} end
{TAKE}
return {{known and 1 or 0, wait, unpack(full)}}
"""

# Part of a script: gives one back to bucket `i` of KEYS, unless it is full. ARGV from `at` on: see
# TAKE.
_GIVE = """
local interval = tonumber(ARGV[at])
local left = redis.call('PTTL', KEYS[i]) - math.ceil(interval / 1000)
if left > 0 then
  local full = tonumber(redis.call('GET', KEYS[i])) - interval
  redis.call('SET', KEYS[i], string.format('%.0f', full), 'PX', left)
else
  redis.call('DEL', KEYS[i])
end
"""

# Gives one back to each bucket. KEYS: buckets. ARGV: see TAKE.
_REFUND = f"""
for i = 1, #KEYS do
  local at = 2 * i - 1
  {_GIVE}
end
return 0
"""

# Gives back what _GUESS took. KEYS and ARGV: as _GUESS has them.
_SETTLE = f"""
local mark = ARGV[#ARGV]
local first, last = 3, #KEYS
if mark ~= '' and redis.call('ZSCORE', KEYS[1], mark) then first, last = 2, 2 end
for i = first, last do
  local at = 2 * i - 3
  {_GIVE}
end
return 0
"""

# Knows a device from now on. KEYS: known devices. ARGV: the device, now, how many are known at
# most, and for how long.
_LEARN = """
local mark, now, most, seconds = unpack(ARGV)
redis.call('ZADD', KEYS[1], now, mark)
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -most - 1)
redis.call('EXPIRE', KEYS[1], seconds)
return 0
"""


class Guess(NamedTuple):
    """Somebody tries a password: what is kept of the login or account, all on one slot."""

    devices: str
    mark: str
    of_device: list[Held]
    of_strangers: list[Held]


class Throttle:
    """Every method that counts raises RateLimited beyond the limit, but for `account`.

    An attempt counts before it is known to fail, since parallel guesses would else all pass; one
    that succeeds is taken back. Subjects are kept as digests: they are people's names.
    """

    def __init__(self, client: "redis.Redis", settings: Settings) -> None:
        self._redis = client
        self._scripts = Scripts(client)
        self._limits = settings.limits

    def anonymous(self, use: Use) -> list[Quota]:
        """Take of the address of somebody without a session; answers what is left."""
        return self._take(self._addresses(use.limit, use.address))

    def login(self, login: str, address: str, device_key: str | None = None) -> None:
        """Count a login by what was typed, known or not, and by address. On a device that it has
        been used on before, count by device alone."""
        self._guess(self._logins(login, address, device_key), self._addresses("login", address))

    def account(self, subject: str, address: str, device_key: str | None = None) -> bool:
        """Count a login by account: a user's id, or what was typed where that is nobody's.
        Answers whether it may be tried.

        An account has two names. RateLimited for the one, after guesses at the other, would tell
        that both belong to the same person.
        """
        try:
            self._guess(self._accounts(subject, address, device_key), [])
        except RateLimited:
            return False
        return True

    def logged_in(
        self, login: str, user_id: str, address: str, device_key: str | None = None
    ) -> None:
        """Take this attempt back, which did not fail, and nothing else: a guesser would log in to
        an account of their own every now and then."""
        self._settle(
            [
                self._logins(login, address, device_key),
                self._accounts(user_id, address, device_key),
            ],
            self._addresses("login", address),
        )

    def knows(self, user_id: str, device_key: str | None) -> bool:
        """Whether a device has signed in to an account before, by the key that it shows."""
        if not device_key:
            return False
        with guarded():
            devices = self._accounts(user_id, "", None).devices
            return self._redis.zscore(devices, digest(device_key)) is not None

    def recognise(self, login: str, user_id: str, device_key: str) -> None:
        """Know a device that has signed in, with all that was asked for, by the name that was
        used. At registering this is the username: the address may be somebody else's."""
        named, owned = self._logins(login, "", device_key), self._accounts(user_id, "", device_key)
        self._learn([named, owned])

    def forgive(self, user_id: str, logins: Sequence[str], address: str) -> None:
        """Forget an account's failed attempts from this address, and what others' keep it from:
        its owner has come back by another way."""
        guesses = [self._accounts(user_id, address, None)]
        guesses += [self._logins(login, address, None) for login in logins]
        self._drop(
            [
                *self._passwords(user_id),
                *self._codes(user_id),
                *(b for one in guesses for b in one.of_strangers),
            ]
        )

    def forget(self, user_id: str, logins: Sequence[str]) -> None:
        """Know none of an account's devices any more, by any of its names."""
        guesses = [self._accounts(user_id, "", None)]
        guesses += [self._logins(login, "", None) for login in logins]
        self._forget([one.devices for one in guesses])

    def password(self, user_id: str) -> None:
        """Count a signed-in user's attempt at their password."""
        self._take(self._passwords(user_id))

    def password_right(self, user_id: str) -> None:
        self._drop(self._passwords(user_id))

    def registration(self, address: str) -> None:
        self._take(self._addresses("register", address))

    def reset(self, address: str) -> None:
        """Count a request for a reset, or a reset, by address; never by whom it is about."""
        self._take(self._addresses("reset", address))

    def code(self, user_id: str) -> None:
        """Count a code of a second factor: there are only a million of them."""
        self._take(self._codes(user_id))

    def code_right(self, user_id: str) -> None:
        self._drop(self._codes(user_id))

    def mail(self, kind: str, recipient: str) -> None:
        """Count a mail by kind and mailbox: nobody's is flooded, and no kind keeps another away."""
        self._take(held(self._limit("reset"), digest(f"{kind} {recipient}"), target=""))

    def refresh_from(self, address: str) -> None:
        """Count a refresh by address, before PostgreSQL is asked: a token is easily made up."""
        self._take(self._addresses("refresh", address))

    def refreshed_from(self, address: str) -> None:
        """Take it back: the token was right, or nobody could tell."""
        self._settle([], self._addresses("refresh", address))

    def refresh(self, session_id: str) -> None:
        self._take(held(self._limit("refresh"), session_id, session=""))

    def _logins(self, login: str, address: str, device_key: str | None) -> Guess:
        return self._guesses(digest(f"login {login}"), address, device_key)

    def _accounts(self, subject: str, address: str, device_key: str | None) -> Guess:
        return self._guesses(digest(f"account {subject}"), address, device_key)

    def _guesses(self, owner: str, address: str, device_key: str | None) -> Guess:
        mark = digest(device_key) if device_key else ""
        everywhere = held(self._limit("login"), owner, target="")
        here = held(self._limit("login-here"), owner, target=network(address))
        of_device = held(self._limit("login-device"), owner, target=mark)
        return Guess(f"devices:{{{owner}}}", mark, of_device, everywhere + here)

    def _addresses(self, name: str, address: str) -> list[Held]:
        return held(self._limit(name), network(address), address="")

    def _passwords(self, user_id: str) -> list[Held]:
        return held(self._limit("password"), user_id, user="")

    def _codes(self, user_id: str) -> list[Held]:
        return held(self._limit("code"), user_id, user="")

    def _limit(self, name: str) -> tuple[str, Limit]:
        return name, self._limits[name]

    def _take(self, buckets: list[Held]) -> list[Quota]:
        return judge([(buckets, self._scripts.run(taking(buckets)))])

    def _guess(self, guess: Guess, of_address: list[Held]) -> None:
        """One round trip. What of an address is gone keeps no device out that is known."""
        calls = [_call(_GUESS, guess)]
        if of_address:
            calls.append(taking(of_address))
        (known, *own), *rest = self._scripts.run_all(calls)
        if known:
            judge([(guess.of_device, own)])
        else:
            judge(list(zip([guess.of_strangers, of_address], [own, *rest], strict=False)))

    def _settle(self, guesses: Sequence[Guess], refunds: list[Held]) -> None:
        calls = [_call(_SETTLE, one) for one in guesses]
        if refunds:
            calls.append(Call(_REFUND, [one.key for one in refunds], sizes(refunds)))
        self._scripts.run_all(calls)

    def _learn(self, guesses: Sequence[Guess]) -> None:
        more = [int(time.time()), KNOWN_DEVICES, KNOWN_SECONDS]
        self._scripts.run_all([Call(_LEARN, [one.devices], [one.mark, *more]) for one in guesses])

    def _drop(self, buckets: Sequence[Held]) -> None:
        self._forget([one.key for one in buckets])

    def _forget(self, keys: Sequence[str]) -> None:
        with guarded():
            pipe = self._redis.pipeline(transaction=False)
            for key in keys:
                pipe.delete(key)
            pipe.execute()


def _call(script: str, guess: Guess) -> Call:
    buckets = guess.of_device + guess.of_strangers
    keys = [guess.devices, *(one.key for one in buckets)]
    return Call(script, keys, [*sizes(buckets), guess.mark])
