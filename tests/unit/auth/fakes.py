"""Stand-ins for what Redis keeps of accounts, and parts made for tests."""

import json
import secrets
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.auth.sessions.revocation import Checked, Revocation
from chalicelib.auth.sessions.tickets import Tickets
from chalicelib.config import Settings
from chalicelib.drivers.redis import Command
from chalicelib.errors import RateLimited, Unavailable
from chalicelib.identity import Identity, Source
from chalicelib.limits.attempts import Guess
from chalicelib.limits.buckets import Held, digest
from chalicelib.limits.guesses import Answer, Throttle
from chalicelib.limits.table import Use
from chalicelib.live.events import EndedBy, Event
from chalicelib.live.gateway import Gateway
from chalicelib.live.models import Owed
from infra.deploy.keys import ADDED, new_keys
from tests.unit.settings import settings

PHONE = Source(address="192.0.2.1", user_agent="Phone/1")


def signing_key(kid: str, algorithm: str = "ES256") -> dict[str, str]:
    """A private key as a JWK."""
    (made,) = (key for key in new_keys(0) if key["alg"] == algorithm)
    return {**{name: value for name, value in made.items() if name != ADDED}, "kid": kid}


KEY, RSA_KEY = signing_key("k1"), signing_key("r1", "RS256")


def auth_settings(**changes: Any) -> Settings:
    """Settings that can sign, with cheap hashes."""
    cheap = {"argon2_time_cost": 1, "argon2_memory_kib": 8, "mail_from": "us@example.com"}
    keys = json.dumps({"keys": [KEY, RSA_KEY]})
    passkeys = {"passkey_rp_id": "example.com", "passkey_origins": "https://chat.example.com"}
    return settings(**{"jwt_keys": keys, **cheap, **passkeys, **changes})


class Clock:
    """Stands still until told to go on."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def go(self, **by: float) -> None:
        self.time += timedelta(**by)


class FakeRevocation(Revocation):
    """`states` is what Redis would hold; `down` makes it fail to answer."""

    def __init__(self) -> None:
        self.states: dict[tuple[str, str], bool] = {}
        self.down = False
        self.limited = False

    def check(
        self, user_id: str, session_id: str, use: Use, client_id: str | None = None
    ) -> Checked:
        known = self.stands(user_id, session_id)
        if self.limited and known is not False:
            raise RateLimited(1)
        return Checked(known, [])

    def stands(self, user_id: str, session_id: str) -> bool | None:
        self._ask()
        return self.states.get((user_id, session_id))

    def confirm(self, user_id: str, session_id: str) -> bool:
        self._ask()
        return self.states.setdefault((user_id, session_id), True)

    def tombstones(self, user_id: str, session_ids: Collection[str]) -> list[Command]:
        self._ask()
        for session_id in session_ids:
            self.states[user_id, session_id] = False
        return []

    def unfinished(self, sessions: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
        self._ask()
        return [one for one in sessions if self.states.get(one) is not False]

    def _ask(self) -> None:
        if self.down:
            raise Unavailable("redis")


class FakeTickets(Tickets):
    def __init__(self) -> None:
        self._issued: dict[str, Identity] = {}

    def issue(self, identity: Identity) -> str:
        ticket = secrets.token_urlsafe(32)
        self._issued[ticket] = identity
        return ticket

    def redeem(self, ticket: str) -> Identity | None:
        return self._issued.pop(ticket, None)


class FakeThrottle(Throttle):
    """Buckets that never fill again; `taken` counts the tokens taken from each."""

    def __init__(self, given: Settings) -> None:
        self._limits = given.limits
        self.taken: Counter[str] = Counter()
        self.known: dict[str, set[str]] = {}

    def _take_each(self, wanted: Sequence[list[Held]]) -> list[Answer]:
        answers = []
        for buckets in wanted:
            answers.append(self._level(buckets))
            if not answers[-1][0]:
                self.taken.update(one.key for one in buckets)
        return answers

    def _look(self, guess: Guess, others: list[Held]) -> tuple[bool, Answer, Answer]:
        known = guess.mark in self.known.get(guess.devices, ())
        return known, self._level(guess.own(known)), self._level(others)

    def _level(self, buckets: list[Held]) -> Answer:
        waits = [
            one.bucket.seconds * 1_000_000
            for one in buckets
            if self.taken[one.key] >= one.bucket.size
        ]
        return [max(waits, default=0), *(0 for _ in buckets)]

    def _give_back(self, taken: Sequence[list[Held]]) -> None:
        self.taken -= Counter(one.key for buckets in taken for one in buckets)

    def _learn(self, guesses: Sequence[Guess]) -> None:
        for guess in guesses:
            self.known.setdefault(guess.devices, set()).add(guess.mark)

    def knows(self, user_id: str, device_key: str | None) -> bool:
        devices = self._accounts(user_id, "", None).devices
        return bool(device_key) and digest(device_key or "") in self.known.get(devices, ())

    def _forget(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.taken.pop(key, None)
            self.known.pop(key, None)


class FakeSockets(Gateway):
    """Remembers whose sockets were closed and why, and the events that were sent. `met`: sessions
    that were found to be revoked already, so that their sockets are closed again."""

    def __init__(self) -> None:
        self.closed: list[tuple[str, str]] = []
        self.reasons: list[tuple[str, EndedBy]] = []
        self.met: list[tuple[str, str]] = []
        self.forgotten: list[str] = []
        self.told: list[tuple[Sequence[str], Event]] = []
        self.down = False

    def tell(
        self,
        user_ids: Sequence[str],
        event: Event,
        *,
        skip: str | None = None,
        delivered: Owed | None = None,
    ) -> None:
        if self.down:
            raise Unavailable("redis")
        self.told.append((user_ids, event))

    def close_session(self, user_id: str, session_id: str) -> None:
        self.met.append((user_id, session_id))

    def end_sessions(
        self,
        user_id: str,
        session_ids: Collection[str],
        tombstones: Sequence[Command],
        reason: EndedBy,
    ) -> None:
        self.reasons += [(session_id, reason) for session_id in session_ids]
        self.closed += [(user_id, session_id) for session_id in session_ids]
