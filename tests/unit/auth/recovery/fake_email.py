"""Changes of e-mail addresses in memory, held to the same contract as PostgreSQL."""

from datetime import timedelta

from chalicelib.auth.recovery.email_store import EmailStore
from chalicelib.auth.recovery.store import Recipient
from chalicelib.clock import Time
from tests.unit.auth.fake_tables import Tables


class FakeEmailStore(EmailStore):
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def ask(
        self, user_id: str, address: str, *, checked: str, good_for: timedelta, now: Time
    ) -> bool:
        now = self._tables.at(now)
        with self._tables:
            if self._tables.passwords.get(user_id) != checked:
                return False
            self._tables.changes.pop(user_id, None)
            for digest, link in list(self._tables.links.items()):
                ours = (link.user_id, link.purpose) == (user_id, "change")
                if ours and link.address != address:
                    del self._tables.links[digest]
            if self._tables.users[user_id].profile.email != address:
                self._tables.changes[user_id] = (address, now + good_for)
                self._tables.mail("change", user_id, now)
                self._tables.tell(user_id, "email_change_asked", now)
            return True

    def candidate(self, user_id: str, now: Time) -> Recipient | None:
        with self._tables:
            address = self._tables.wanted(user_id, self._tables.at(now))
            if address is None:
                return None
            username = self._tables.users[user_id].profile.username
            taken = self._taken(user_id, address)
            return Recipient(user_id, username, address, verified=False, taken=taken, oldest=False)

    def used(self, user_id: str, digest: bytes, now: Time) -> bool | None:
        with self._tables:
            link = self._tables.links.get(digest)
            if link is None or (link.user_id, link.purpose) != (user_id, "change"):
                return None
            if link.expires_at <= self._tables.at(now):
                return None
            if link.used and self._tables.users[user_id].profile.email != link.address:
                return None
            return link.used

    def complete(self, user_id: str, digest: bytes, now: Time) -> bool:
        now = self._tables.at(now)
        with self._tables:
            address = self._tables.wanted(user_id, now)
            if self.used(user_id, digest, now) is not False or address is None:
                return False
            link = self._tables.links[digest]
            if link.address != address or self._taken(user_id, address):
                return False
            del self._tables.changes[user_id]
            link.used = True
            self._tables.drop_links(user_id, "verify", "reset", "change", but=digest)
            self._tables.tell(user_id, "email_changed", now)
            user = self._tables.users[user_id]
            user.profile = user.profile.model_copy(update={"email": address})
            user.revision += 1
            self._tables.verify(user_id)
            self._tables.tell(user_id, "address_verified", now)
            return True

    def _taken(self, user_id: str, address: str) -> bool:
        return any(
            one.profile.email == address and one.profile.email_verified and not one.deleted
            for one in self._tables.users.values()
            if one.profile.id != user_id
        )
