"""Sessions and their tokens."""

from chalicelib.auth.sessions.checking import Checking
from chalicelib.auth.sessions.refreshing import Refreshing


class Auth(Checking, Refreshing):
    """All acts of sessions: they are checked, opened, refreshed, listed and ended."""
