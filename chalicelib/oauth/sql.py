"""Parts of statements about programs and what users allowed them, for the store of sessions."""

from chalicelib.auth import sql as auth

OF_SESSIONS = auth.ProgramSql(
    joined="JOIN oauth_clients k ON k.id = %s"
    " JOIN oauth_consents a ON a.client_id = k.id AND a.user_id = o.user_id",
    allowed="k.deleted_at IS NULL",
    forget_granted=f"""
        DELETE FROM oauth_consents c USING {auth.SESSION} WHERE %(by_user)s
        AND s.id = %(id)s AND s.user_id = %(user_id)s
        AND c.user_id = s.user_id AND c.client_id = s.client_id
    """,
    forget_all="DELETE FROM oauth_consents WHERE user_id = %s",
)
