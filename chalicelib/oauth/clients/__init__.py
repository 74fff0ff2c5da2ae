"""OAuth clients: how they are registered and changed, and what each may do."""
