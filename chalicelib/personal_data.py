"""Personal data: exports and erases a user's data in the tables of all features.

Each feature has the statements for its tables in its module `personal_data`. Messages are exported
from their own store, and stay when an account is deleted.
"""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from psycopg.rows import dict_row

from chalicelib.admin import personal_data as admin
from chalicelib.auth import personal_data as auth
from chalicelib.clock import Time
from chalicelib.domain_events.outbox import of_user
from chalicelib.exports import personal_data as exports
from chalicelib.mail import personal_data as mail
from chalicelib.oauth import personal_data as oauth
from chalicelib.users import personal_data as users

if TYPE_CHECKING:
    from chalicelib.drivers.postgres import Postgres

Row = dict[str, Any]

ACCOUNT = {**users.EXPORT, **auth.EXPORT, **oauth.EXPORT, **exports.EXPORT}
"""The queries of an export, by the name of their part of the archive."""

AUDIT_PAGE = 500

_ERASE_PROFILE = f"""
    WITH devices AS ({auth.ERASE_DEVICES}), changed AS ({users.ERASE}) {of_user("deleted")}
"""


class EndsSessions(Protocol):
    """SessionStore.revoke_all."""

    def __call__(self, user_id: str, *, but: str | None, now: Time) -> list[str]: ...


class PersonalData:
    """Raises Unavailable from every method when PostgreSQL does not answer."""

    def __init__(self, postgres: "Postgres", *, end_sessions: EndsSessions) -> None:
        self._postgres = postgres
        self._end_sessions = end_sessions

    def erase(self, user_id: str, now: Time, *, checked: str | None) -> list[str] | None:
        """Delete an account and all that identifies its user, in one transaction. The user's row
        stays, because messages name it, and the notice of the deletion stays until it is sent.

        Returns the sessions that ended, like `SessionStore.revoke_all`; None, and nothing changes,
        if the hash that was `checked` is no longer in force. Safe to repeat: then there is no hash
        to check. Raises LastAdmin if no admin would remain.
        """
        with self._postgres.transaction():
            with self._postgres.cursor() as cursor:
                if not auth.erase(cursor, user_id, checked=checked):
                    return None
                exports.erase(cursor, user_id, now)
                mail.erase(cursor, user_id, now)  # also the mail of an archive that is ready now
                cursor.execute(_ERASE_PROFILE, {"user_id": user_id, "now": now})
            return self._end_sessions(user_id, but=None, now=now)

    def account(self, user_id: str) -> dict[str, list[Row]] | None:
        """A user's data in the tables, without secrets; None if the account is deleted."""
        found: dict[str, list[Row]] = {}
        with self._postgres.cursor(row_factory=dict_row) as cursor:
            for name, query in ACCOUNT.items():
                found[name] = cursor.execute(query.encode(), [user_id]).fetchall()
        return found if found["profile"] else None

    def audit(self, user_id: str) -> Iterator[Row]:
        """The audit log's entries about acts of the user and on the user, page by page."""
        after = 0
        while True:
            with self._postgres.cursor(row_factory=dict_row) as cursor:
                rows = cursor.execute(
                    admin.EXPORT_PAGE, {"user_id": user_id, "after": after, "limit": AUDIT_PAGE}
                ).fetchall()
            for row in rows:
                after = row.pop("id")
                yield row
            if len(rows) < AUDIT_PAGE:
                return

    def names(self, user_ids: Collection[str]) -> dict[str, Row]:
        """Usernames and display names of users, as everybody sees them."""
        with self._postgres.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(users.NAMES, [list(user_ids)]).fetchall()
        return {row.pop("id"): row for row in rows}
