"""Limits on guessing: attempts counted in fixed windows, before any password is hashed."""

import hashlib
import ipaddress
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.config import Settings
from chalicelib.errors import RateLimited
from chalicelib.redis import guarded

if TYPE_CHECKING:
    import redis

# Counts an attempt, and starts the window with the first. KEYS: counter. ARGV: window in seconds.
# Answers {attempts, seconds left}.
_COUNT = """
local attempts = redis.call('INCR', KEYS[1])
if attempts == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return {attempts, redis.call('TTL', KEYS[1])}
"""

# Takes an attempt back, unless its window has ended. KEYS: counter.
_UNCOUNT = "if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('DECR', KEYS[1]) end"


class _Counter(NamedTuple):
    key: str
    limit: int


class Throttle:
    """Every method that counts raises RateLimited beyond the limit, but for `account`.

    An attempt counts before it is known to fail, since parallel guesses would else all pass; one
    that succeeds is taken back. Subjects are kept as digests: they are people's names.
    """

    def __init__(self, client: "redis.Redis", settings: Settings) -> None:
        self._redis = client
        self._settings = settings

    def login(self, login: str, address: str) -> None:
        """Count a login by what was typed, known or not, and by address."""
        self._count(self._logins(login), self._addresses(address))

    def account(self, subject: str) -> bool:
        """Count a login by account: a user's id, or what was typed where that is nobody's.
        Answers whether it may be tried.

        An account has two names. RateLimited for the one, after guesses at the other, would tell
        that both belong to the same person.
        """
        try:
            self._count(self._accounts(subject))
        except RateLimited:
            return False
        return True

    def logged_in(self, login: str, user_id: str, address: str) -> None:
        """Forget an account's failed logins; of the address only this attempt, which did not
        fail: else a guesser would log in to an account of their own every now and then."""
        with guarded():
            pipe = self._redis.pipeline(transaction=False)
            pipe.delete(self._logins(login).key)
            pipe.delete(self._accounts(user_id).key)
            pipe.eval(_UNCOUNT, 1, self._addresses(address).key)
            pipe.execute()

    def password(self, user_id: str) -> None:
        """Count a signed-in user's attempt at their password."""
        self._count(self._passwords(user_id))

    def password_right(self, user_id: str) -> None:
        with guarded():
            self._redis.delete(self._passwords(user_id).key)

    def registration(self, address: str) -> None:
        key = _key("register", _network(address))
        self._count(_Counter(key, self._settings.registrations_per_address))

    def reset(self, address: str) -> None:
        """Count a request for a reset, or a reset, by address; never by whom it is about."""
        key = _key("reset", _network(address))
        self._count(_Counter(key, self._settings.resets_per_address))

    def code(self, user_id: str) -> None:
        """Count a code of a second factor: there are only a million of them."""
        self._count(self._codes(user_id))

    def code_right(self, user_id: str) -> None:
        with guarded():
            self._redis.delete(self._codes(user_id).key)

    def mail(self, kind: str, recipient: str) -> None:
        """Count a mail by kind and mailbox: nobody's is flooded, and no kind keeps another away."""
        self._count(_Counter(_key(f"mail {kind}", recipient), self._settings.mails_per_recipient))

    def forgive(self, user_id: str, logins: Sequence[str]) -> None:
        """Forget an account's failed attempts: its owner has come back by another way."""
        with guarded():
            pipe = self._redis.pipeline(transaction=False)
            for counter in self._of_account(user_id):
                pipe.delete(counter.key)
            for login in logins:
                pipe.delete(self._logins(login).key)
            pipe.execute()

    def refresh_from(self, address: str) -> None:
        """Count a refresh by address, before PostgreSQL is asked: a token is easily made up."""
        self._count(self._refreshes(address))

    def refreshed_from(self, address: str) -> None:
        """Take it back: the token was right, or nobody could tell."""
        with guarded():
            self._redis.eval(_UNCOUNT, 1, self._refreshes(address).key)

    def refresh(self, session_id: str) -> None:
        key = _key("refresh", session_id)
        self._count(_Counter(key, self._settings.refreshes_per_session))

    def _logins(self, login: str) -> _Counter:
        return _Counter(_key("login", login), self._settings.failed_logins_per_account)

    def _accounts(self, subject: str) -> _Counter:
        return _Counter(_key("account", subject), self._settings.failed_logins_per_account)

    def _addresses(self, address: str) -> _Counter:
        key = _key("address", _network(address))
        return _Counter(key, self._settings.failed_logins_per_address)

    def _refreshes(self, address: str) -> _Counter:
        key = _key("refresh from", _network(address))
        return _Counter(key, self._settings.failed_refreshes_per_address)

    def _passwords(self, user_id: str) -> _Counter:
        return _Counter(_key("password", user_id), self._settings.failed_logins_per_account)

    def _codes(self, user_id: str) -> _Counter:
        return _Counter(_key("code", user_id), self._settings.failed_codes_per_account)

    def _of_account(self, user_id: str) -> list[_Counter]:
        return [self._accounts(user_id), self._passwords(user_id), self._codes(user_id)]

    def _count(self, *counters: _Counter) -> None:
        with guarded():
            pipe = self._redis.pipeline(transaction=False)
            for counter in counters:
                pipe.eval(_COUNT, 1, counter.key, self._settings.throttle_window_seconds)
            answers: Sequence[tuple[int, int]] = pipe.execute()
        waits = [
            seconds
            for counter, (attempts, seconds) in zip(counters, answers, strict=True)
            if attempts > counter.limit
        ]
        if waits:
            raise RateLimited(max(waits))


def _key(kind: str, subject: str) -> str:
    return f"throttle:{kind}:{hashlib.sha256(subject.encode()).hexdigest()}"


def _network(address: str) -> str:
    """Whom an address stands for: with IPv6, anyone has 2^64 of them."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 6 and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
