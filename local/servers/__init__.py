"""The servers that hold state: given by URL, run by Docker, or run as our own processes."""

from local.servers.embedded import ServerUnavailable
from local.servers.group import KINDS, Servers, StateInUse, start_all

__all__ = ["KINDS", "ServerUnavailable", "Servers", "StateInUse", "start_all"]
