"""Archives of what is held about a user: asked for, made in the background, fetched, deleted."""
