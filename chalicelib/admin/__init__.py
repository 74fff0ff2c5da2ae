"""Administration: roles, suspensions, and the audit log."""
