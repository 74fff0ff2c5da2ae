"""Identifiers: UUIDv7 for new objects, UUIDv5 for ids that can be computed from other ids."""

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
    """The tag of a program's notification on a device. It cannot replace a message's notification
    or another program's."""
    return str(uuid.uuid5(uuid.UUID(client_id), collapse_key))


def direct_chat_id(one: str, other: str) -> str:
    """The id of the direct chat of two users: the same in either order."""
    return str(uuid.uuid5(_DIRECT_CHATS, " ".join(sorted((one, other)))))
