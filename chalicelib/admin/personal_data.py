"""What the audit log holds about a user. It stays when the account is deleted."""

# If others did it to the user, their ids are left out: those are their personal data.
EXPORT_PAGE = """
SELECT id, at, action, target, actor = %(user_id)s AS by_you,
    CASE WHEN actor = %(user_id)s THEN address END AS address
FROM audit_log
WHERE id > %(after)s AND (actor = %(user_id)s OR target = %(user_id)s::uuid)
ORDER BY id LIMIT %(limit)s
"""
