"""What stops a command."""


class Stopped(Exception):
    """A step cannot continue; the text says why, and what the operator can do."""
