"""Archives of a user's data: requested, made by a job, downloaded, deleted."""
