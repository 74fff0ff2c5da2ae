"""What stops a command."""


class Stopped(Exception):
    """A step cannot go on; the text says why, and what the operator can do."""
