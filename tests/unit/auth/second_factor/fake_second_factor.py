"""Second factors in memory, held to the same contract as those in PostgreSQL."""

from collections.abc import Collection

from chalicelib.auth.second_factor.store import Factor, SecondFactorStore
from chalicelib.clock import Time
from tests.unit.auth.fake_tables import Shared, Tables


class FakeSecondFactorStore(SecondFactorStore):
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def factor(self, user_id: str) -> Factor | None:
        with self._tables:
            found = self._tables.factors.get(user_id)
            if found is None:
                return None
            read_at = int(self._tables.clock().timestamp())
            return Factor(found.secret, found.confirmed, len(found.codes), read_at)

    def propose(self, user_id: str, secret: str) -> bool:
        with self._tables:
            if self._confirmed(user_id) is not None:
                return False
            self._tables.factors[user_id] = Shared(secret)
            return True

    def confirm(
        self, user_id: str, secret: str, step: int, digests: Collection[bytes], now: Time
    ) -> bool:
        now = self._tables.at(now)
        with self._tables:
            found = self._tables.factors.get(user_id)
            if found is None or found.secret != secret or found.confirmed:
                return False
            found.confirmed, found.last_step, found.codes = True, step, set(digests)
            self._tables.tell(user_id, "second_factor_on", now)
            return True

    def replace_codes(self, user_id: str, digests: Collection[bytes], now: Time) -> bool:
        now = self._tables.at(now)
        with self._tables:
            found = self._confirmed(user_id)
            if found is None:
                return False
            found.codes = set(digests)
            self._tables.tell(user_id, "recovery_codes_made", now)
            return True

    def use_step(self, user_id: str, step: int) -> bool:
        with self._tables:
            found = self._confirmed(user_id)
            if found is None or found.last_step >= step:
                return False
            found.last_step = step
            return True

    def use_code(self, user_id: str, digest: bytes, now: Time) -> bool:
        now = self._tables.at(now)
        with self._tables:
            found = self._tables.factors.get(user_id)
            if found is None or digest not in found.codes:
                return False
            found.codes.remove(digest)
            self._tables.tell(user_id, "recovery_code_used", now)
            return True

    def remove(self, user_id: str, now: Time) -> None:
        now = self._tables.at(now)
        with self._tables:
            found = self._tables.factors.pop(user_id, None)
            if found is not None and found.confirmed:
                self._tables.tell(user_id, "second_factor_off", now)

    def _confirmed(self, user_id: str) -> Shared | None:
        found = self._tables.factors.get(user_id)
        return found if found is not None and found.confirmed else None
