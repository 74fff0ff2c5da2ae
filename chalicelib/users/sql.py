"""Parts of statements about users, for the stores of features above. The alias is `u`."""

from typing import LiteralString

from chalicelib.domain_events.outbox import of_user

ROW = "users u"
NOT_DELETED = "u.deleted_at IS NULL"
NOT_SUSPENDED = "u.suspended_at IS NULL"
SUSPENDED = "u.suspended_at IS NOT NULL"
VERIFIED_AT = "u.email_verified_at"
VERIFIED = f"{VERIFIED_AT} IS NOT NULL"

OLDEST = """
    NOT EXISTS (
        SELECT 1 FROM users o
        WHERE o.email = u.email AND o.email_verified_at IS NULL AND o.id < u.id
    )
"""
"""Whether no other account with this address, not verified, has claimed it earlier."""

ADD = """
    INSERT INTO users (id, username, email, display_name, created_at)
    VALUES (%s, %s, %s, %s, %s) RETURNING id, revision
"""

LOCK = "SELECT FROM users WHERE id = %s FOR NO KEY UPDATE"

HELD = "(SELECT id FROM users WHERE id = %s FOR KEY SHARE) held"
"""Part of FROM or USING: the user of an id, whom nobody erases until the transaction ends. Every
transaction locks the password of a user first, then the user, then other rows of that user, and
sessions before push tokens. If two transactions locked them in different orders, they could wait
for each other."""

SET_VERIFIED = "UPDATE users SET email_verified_at = %s WHERE id = %s"

VERIFY = """
    UPDATE users u SET email_verified_at = COALESCE(u.email_verified_at, %(now)s)
    FROM proof WHERE u.id = proof.user_id AND u.email = proof.address RETURNING u.id
"""
"""Verifies the address that is in `proof` (user_id, address), if the user still has it."""

CHANGE_EMAIL = f"""
    WITH changed AS (
        UPDATE users SET email = %s, email_verified_at = %s, revision = revision + 1
        WHERE id = %s RETURNING id, revision
    ) {of_user("updated")}
"""

SUSPEND = f"""
    WITH active AS (
        SELECT id FROM users WHERE id = %(id)s AND suspended_at IS NULL
    ), suspended AS (
        UPDATE users SET suspended_at = COALESCE(suspended_at, %(now)s),
            suspension_reason = %(reason)s, revision = revision + 1
        WHERE id = %(id)s RETURNING id, revision
    ), changed AS (
        SELECT s.id, s.revision FROM suspended s JOIN active a ON a.id = s.id
    ) {of_user("suspended")}
"""

RESTORE = f"""
    WITH changed AS (
        UPDATE users SET suspended_at = NULL, suspension_reason = NULL, revision = revision + 1
        WHERE id = %s AND suspended_at IS NOT NULL RETURNING id, revision
    ) {of_user("reinstated")}
"""

DROP_PUSHES_OF_SESSION = """
    DELETE FROM push_tokens WHERE session_id = %(id)s AND user_id = %(user_id)s
"""
DROP_PUSHES_BUT = """
    DELETE FROM push_tokens
    WHERE user_id = %(user_id)s AND session_id IS DISTINCT FROM %(but)s::uuid
"""
DROP_PUSHES_OF_FOUND = """
    DELETE FROM push_tokens
    WHERE user_id = %(user_id)s AND session_id = ANY(ARRAY(SELECT id FROM found))
"""
"""Stops the pushes of the sessions in `found` (id)."""


def taken(address: LiteralString) -> LiteralString:
    """Whether another account than `u` has verified an address."""
    return f"""
        EXISTS (
            SELECT 1 FROM users o
            WHERE o.email = {address} AND o.email_verified_at IS NOT NULL AND o.id <> u.id
        )
    """
