"""API Gateway's limits. Tests lower them, so that they need not wait."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes, times in seconds."""

    frame: int = 32 * 1024
    message: int = 128 * 1024
    request: int = 10 * 1024 * 1024
    idle: float = 600.0
    lifetime: float = 7200.0
    integration: float = 29.0
    handshake: float = 10.0
    closing: float = 5.0
    in_flight: int = 64
    """Frames of one connection in work at once; further ones are read when these are done."""
    outgoing: int = 1024 * 1024
    """What may wait for a client that reads nothing. Posts beyond it are refused with 429; an
    answer to one of its own frames that goes beyond it drops the connection."""
