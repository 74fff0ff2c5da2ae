"""Parts of statements about sessions and roles, for other features. Features above import them;
features below get them by their constructors. The alias of a session is `s`."""

from typing import LiteralString, NamedTuple

from chalicelib.users import sql as users
from chalicelib.users.device_models import SessionSql


class ProgramSql(NamedTuple):
    """The parts of statements about sessions that name tables of OAuth clients. `oauth` owns those
    tables and gives these."""

    joined: LiteralString
    """Joins the program with the id in the first value, and the consent of the user of session `o`.
    """
    allowed: LiteralString
    """A condition: the program still exists."""
    forget_granted: LiteralString
    """If `by_user`: forgets what the user allowed the program of the session `id`."""
    forget_all: LiteralString
    """Deletes all consents of the user in the value."""


SESSION = "sessions s"
STANDS = "s.revoked_at IS NULL AND s.expires_at > %(now)s"

ROLES = "ARRAY(SELECT role FROM user_roles r WHERE r.user_id = u.id ORDER BY role)"
"""The roles of the user `u`."""

SESSIONS_COUNTED = f"(SELECT count(*) FROM sessions s WHERE s.user_id = u.id AND {STANDS})"
"""In how many sessions the user `u` is signed in."""

GRANT_ROLE = """
    INSERT INTO user_roles (user_id, role, granted_at) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING
"""
TAKE_ROLE = "DELETE FROM user_roles WHERE user_id = %s AND role = %s"


def pending_email(user_id: LiteralString) -> LiteralString:
    """The address that a user has asked for, until it is verified or expires."""
    return f"""
        (SELECT c.address FROM email_changes c
         WHERE c.user_id = {user_id} AND c.expires_at > now())
    """


def _stands(session_id: LiteralString) -> LiteralString:
    return f"EXISTS (SELECT FROM sessions s WHERE s.id = {session_id} AND {STANDS})"


OF_DEVICES = SessionSql(
    stands=_stands,
    locked=f"{users.ROW} JOIN sessions s ON s.user_id = u.id"
    " WHERE s.id = %(session_id)s AND s.revoked_at IS NULL FOR KEY SHARE OF u FOR SHARE OF s",
)
