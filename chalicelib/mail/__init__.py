"""Mail: it is queued in PostgreSQL, and sent by a job."""
