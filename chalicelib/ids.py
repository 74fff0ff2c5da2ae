"""Identifiers: UUIDv7 for what is made, UUIDv5 for what two parties must name alike."""

import os
import time
import uuid

_DIRECT_CHATS = uuid.UUID("5bd35c1c-9d1c-5f3a-8d57-6c6c5f0f3c11")


def new_id() -> str:
    """A UUIDv7 (RFC 9562, section 5.7): 48 bits of milliseconds, the rest random."""
    milliseconds = time.time_ns() // 1_000_000
    bits = (milliseconds << 80) | int.from_bytes(os.urandom(10))
    bits = bits & ~(0xF << 76) | (0x7 << 76)
    bits = bits & ~(0x3 << 62) | (0x2 << 62)
    return str(uuid.UUID(int=bits))


def push_tag(client_id: str, collapse_key: str) -> str:
    """What a device knows a program's notification by: no program can take the place of another
    one's, or of a message's."""
    return str(uuid.uuid5(uuid.UUID(client_id), collapse_key))


def direct_chat_id(one: str, other: str) -> str:
    """The id of the chat between two users: the same for both, and in a race."""
    return str(uuid.uuid5(_DIRECT_CHATS, " ".join(sorted((one, other)))))
