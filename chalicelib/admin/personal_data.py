"""What the audit log holds about a user. It stays when the account is deleted."""

# Of what others did to the user, not who: that is about them.
EXPORT_PAGE = """
SELECT id, at, action, target, actor = %(user_id)s AS by_you,
    CASE WHEN actor = %(user_id)s THEN address END AS address
FROM audit_log
WHERE id > %(after)s AND (actor = %(user_id)s OR target = %(user_id)s::uuid)
ORDER BY id LIMIT %(limit)s
"""
