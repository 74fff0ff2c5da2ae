"""A user's data in the tables of users, and how it is erased."""

from chalicelib.users.models import DELETED_NAME

EXPORT = {
    "profile": "SELECT id, username, display_name, about, avatar_url, email, email_verified_at,"
    " push_previews, created_at FROM users WHERE id = %s AND deleted_at IS NULL",
    "devices": "SELECT device_id, platform, session_id, updated_at FROM push_tokens"
    " WHERE user_id = %s ORDER BY device_id",
}

NAMES = """
    SELECT id, CASE WHEN deleted_at IS NULL THEN username END AS username, display_name
    FROM users WHERE id = ANY(%s::uuid[])
"""
"""The names of users as everybody sees them."""

ERASE = f"""
    UPDATE users SET username = id::text, email = NULL, email_verified_at = NULL,
        display_name = '{DELETED_NAME}', about = '', avatar_url = NULL, push_previews = true,
        deleted_at = %(now)s, revision = revision + 1,
        suspended_at = NULL, suspension_reason = NULL
    WHERE id = %(user_id)s AND deleted_at IS NULL RETURNING id, revision
"""
"""Part of a statement. The row stays, because messages refer to it. Push tokens are deleted with
sessions."""
