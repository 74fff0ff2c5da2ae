"""Parts of statements about sessions and roles, for other features: they are imported from above,
and handed in from below. The alias of a session is `s`."""

from typing import LiteralString, NamedTuple

from chalicelib.users import sql as users
from chalicelib.users.device_models import SessionSql


class ProgramSql(NamedTuple):
    """What statements about sessions say of programs. The feature that owns those tables hands it
    in."""

    joined: LiteralString
    """Joins the program of an id, a value, and what the user of the session `o` allowed it."""
    allowed: LiteralString
    """A condition: the program still exists."""
    forget_granted: LiteralString
    """If `by_user`: forgets what the user allowed the program of the session `id`."""
    forget_all: LiteralString
    """Forgets all that a user, a value, allowed."""


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
