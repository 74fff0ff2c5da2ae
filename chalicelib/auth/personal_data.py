"""What the tables of auth hold about a user, and how it is erased."""

from typing import TYPE_CHECKING, Any

from chalicelib.errors import LastAdmin
from chalicelib.scopes import ROLES_LOCK
from chalicelib.users import sql as users

if TYPE_CHECKING:
    from psycopg import Cursor

EXPORT = {
    "roles": "SELECT role, granted_at FROM user_roles WHERE user_id = %s ORDER BY role",
    "sessions": "SELECT id, device_name, user_agent, created_at, last_used_at, expires_at,"
    " revoked_at, client_id, scope, auth_time FROM sessions WHERE user_id = %s ORDER BY id",
    "second_factor": "SELECT confirmed_at, (SELECT count(*) FROM recovery_codes codes"
    " WHERE codes.user_id = factor.user_id) AS recovery_codes_left"
    " FROM second_factors factor WHERE user_id = %s",
    "passkeys": "SELECT id, name, created_at, last_used_at FROM passkeys"
    " WHERE user_id = %s ORDER BY id",
    "google": "SELECT subject, linked_at FROM google_accounts WHERE user_id = %s",
    "password": "SELECT changed_at FROM credentials WHERE user_id = %s",
    "mailed_links": "SELECT purpose, address, sent_at, expires_at, used_at FROM mail_links"
    " WHERE user_id = %s ORDER BY purpose, expires_at",
    "email_change": "SELECT address, asked_at, expires_at FROM email_changes WHERE user_id = %s",
}

# Whether the user is the only admin who can sign in. The user's row is locked first, like in a
# change of the address: otherwise the two could deadlock.
_LAST_ADMIN = f"""
    SELECT EXISTS (
        SELECT FROM user_roles WHERE user_id = %(user_id)s AND role = 'admin'
    ) AND NOT EXISTS (
        SELECT FROM user_roles r JOIN {users.ROW} ON u.id = r.user_id
        WHERE r.role = 'admin' AND r.user_id <> %(user_id)s
        AND {users.NOT_SUSPENDED} AND {users.NOT_DELETED}
    ) FROM {users.ROW} WHERE u.id = %(user_id)s FOR UPDATE
"""

# Roles, and ways to sign in. The second table of links is that of the version before.
_ERASE = """
WITH changes AS (DELETE FROM email_changes WHERE user_id = %(user_id)s),
    links AS (DELETE FROM mail_links WHERE user_id = %(user_id)s),
    tokens AS (DELETE FROM mail_tokens WHERE user_id = %(user_id)s),
    factors AS (DELETE FROM second_factors WHERE user_id = %(user_id)s),
    codes AS (DELETE FROM recovery_codes WHERE user_id = %(user_id)s),
    keys AS (DELETE FROM passkeys WHERE user_id = %(user_id)s),
    google AS (DELETE FROM google_accounts WHERE user_id = %(user_id)s)
DELETE FROM user_roles WHERE user_id = %(user_id)s
"""

ERASE_DEVICES = """
    UPDATE sessions SET device_name = NULL, user_agent = '' WHERE user_id = %(user_id)s
"""
"""Part of a statement. Sessions are not in it: SessionStore.revoke_all ends them."""


def erase(cursor: "Cursor[Any]", user_id: str, *, checked: str | None) -> bool:
    """Delete the password of a user, their roles, and all other ways to sign in. False, and nothing
    changes, if the hash that was checked is no longer in force. `checked` is None in a repeat.

    Raises LastAdmin if no admin would remain.
    """
    cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ROLES_LOCK])
    deleted = cursor.execute(
        "DELETE FROM credentials WHERE user_id = %s AND password_hash = %s", [user_id, checked]
    ).rowcount
    if checked is not None and not deleted:
        return False
    if cursor.execute(_LAST_ADMIN, {"user_id": user_id}).fetchone() == (True,):
        raise LastAdmin()
    cursor.execute(_ERASE, {"user_id": user_id})
    return True
