"""A user's queued mails, which are erased with the account."""

from typing import TYPE_CHECKING, Any

from chalicelib.clock import Time
from chalicelib.mail.enqueue import tell
from chalicelib.users import sql as users

if TYPE_CHECKING:
    from psycopg import Cursor

# While an address is not verified, a queued reset may be for another account that claims it. A
# repeated deletion must not remove the notice of the deletion.
_ERASE = f"""
WITH forgotten AS (
    DELETE FROM mails USING {users.ROW} WHERE u.id = %(user_id)s AND (
        (mails.kind IN ('verify', 'export', 'change') AND mails.subject = u.id::text)
        OR (mails.kind = 'reset' AND split_part(mails.subject, ' ', 1) = u.email
            AND {users.VERIFIED})
    )
) DELETE FROM notices WHERE user_id = %(user_id)s AND kind <> 'account_deleted'
"""


def erase(cursor: "Cursor[Any]", user_id: str, now: Time) -> None:
    """Delete a user's queued mails, and queue the notice of the deletion. Call it before the
    address is deleted, and after the ways to sign in are: a concurrent sign-in has queued a notice
    by then."""
    cursor.execute(_ERASE, {"user_id": user_id})
    tell(cursor, user_id, "account_deleted", now)
