"""Passkeys and challenges in memory, held to the same contract as those on the servers."""

from chalicelib.auth.passkeys.challenges import Challenges, Purpose
from chalicelib.auth.passkeys.models import Passkey, PasskeyInfo
from chalicelib.auth.passkeys.store import MAX_PASSKEYS, PasskeyStore
from chalicelib.clock import Time
from chalicelib.errors import PasskeyKnown, TooManyPasskeys, UserNotFound
from tests.unit.auth.fake_tables import Held, Tables


class FakePasskeyStore(PasskeyStore):
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def add(self, passkey: Passkey, name: str, now: Time) -> None:
        now = self._tables.at(now)
        with self._tables:
            if passkey.user_id not in self._tables.passwords:
                raise UserNotFound()
            if len(self._of(passkey.user_id)) >= MAX_PASSKEYS:
                raise TooManyPasskeys()
            if self.find(passkey.credential_id) is not None:
                raise PasskeyKnown()
            self._tables.passkeys[passkey.id] = Held(passkey, name, now)
            self._tables.tell(passkey.user_id, "passkey_added", now)

    def of(self, user_id: str) -> list[PasskeyInfo]:
        with self._tables:
            return [_info(one) for one in self._of(user_id)]

    def credential_ids(self, user_id: str) -> list[bytes]:
        with self._tables:
            return [one.passkey.credential_id for one in self._of(user_id)]

    def find(self, credential_id: bytes) -> Passkey | None:
        with self._tables:
            for held in self._tables.passkeys.values():
                if held.passkey.credential_id == credential_id:
                    suspended = self._tables.users[held.passkey.user_id].suspended_at is not None
                    return held.passkey._replace(suspended=suspended)
        return None

    def use(self, passkey_id: str, sign_count: int, now: Time) -> bool:
        now = self._tables.at(now)
        with self._tables:
            held = self._tables.passkeys.get(passkey_id)
            if held is None:
                return False
            if held.passkey.sign_count >= sign_count and (held.passkey.sign_count, sign_count) != (
                0,
                0,
            ):
                return False
            held.passkey = held.passkey._replace(sign_count=sign_count)
            held.last_used_at = now
            return True

    def rename(self, user_id: str, passkey_id: str, name: str) -> PasskeyInfo | None:
        with self._tables:
            held = self._tables.passkeys.get(passkey_id)
            if held is None or held.passkey.user_id != user_id:
                return None
            held.name = name
            return _info(held)

    def remove(self, user_id: str, passkey_id: str, now: Time) -> bool:
        now = self._tables.at(now)
        with self._tables:
            held = self._tables.passkeys.get(passkey_id)
            if held is None or held.passkey.user_id != user_id:
                return False
            del self._tables.passkeys[passkey_id]
            self._tables.tell(user_id, "passkey_removed", now)
            return True

    def _of(self, user_id: str) -> list[Held]:
        everyones = sorted(self._tables.passkeys.values(), key=lambda one: one.passkey.id)
        return [one for one in everyones if one.passkey.user_id == user_id]


class FakeChallenges(Challenges):
    """Challenges that never expire, numbered."""

    def __init__(self) -> None:
        self.issued: dict[bytes, tuple[Purpose, str]] = {}
        self.used: set[bytes] = set()

    def issue(self, purpose: Purpose, owner: str = "") -> bytes:
        challenge = (len(self.issued) + 1).to_bytes(32, "big")
        self.issued[challenge] = (purpose, owner)
        return challenge

    def good(self, challenge: bytes, purpose: Purpose, owner: str = "") -> bool:
        return self.issued.get(challenge) == (purpose, owner)

    def use(self, challenge: bytes) -> bool:
        if challenge in self.used:
            return False
        self.used.add(challenge)
        return True


def _info(held: Held) -> PasskeyInfo:
    return PasskeyInfo(
        id=held.passkey.id,
        name=held.name,
        created_at=held.created_at,
        last_used_at=held.last_used_at,
    )
