"""What of a user's mails is erased with the account."""

from typing import TYPE_CHECKING, Any

from chalicelib.clock import Time
from chalicelib.mail.enqueue import tell
from chalicelib.users import sql as users

if TYPE_CHECKING:
    from psycopg import Cursor

# While an address is a claim, a reset of its password may be another claimant's. A repeated
# deletion must not remove the notice of the deletion.
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
    """Delete what waits to be mailed to a user, and queue the notice of the deletion. Call it while
    the address is known, and after the ways to sign in are deleted: a sign-in that this waited for
    has left a notice."""
    cursor.execute(_ERASE, {"user_id": user_id})
    tell(cursor, user_id, "account_deleted", now)
