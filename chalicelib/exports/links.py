"""Links to archives: valid for some minutes, while the session that asked for them is valid."""

import hashlib
import json
import secrets
from typing import TYPE_CHECKING

from chalicelib.drivers.redis import guarded
from chalicelib.exports.models import LINK
from chalicelib.identity import Identity

if TYPE_CHECKING:
    import redis


class ExportLinks:
    """Each link has a ticket; Redis keeps only its digest. A link can be opened again, since
    downloads may fail."""

    def __init__(self, client: "redis.Redis") -> None:
        self._redis = client

    def issue(self, identity: Identity) -> str:
        """A ticket for the caller's archive."""
        ticket = secrets.token_urlsafe(32)
        who = json.dumps([identity.user_id, identity.session_id])
        with guarded():
            self._redis.set(_key(ticket), who, ex=int(LINK.total_seconds()))
        return ticket

    def holder(self, ticket: str) -> Identity | None:
        """The caller who got a ticket, with their session. None if it is unknown or expired."""
        with guarded():
            found = self._redis.get(_key(ticket))
        if found is None:
            return None
        user_id, session_id = json.loads(found)
        return Identity(user_id=user_id, session_id=session_id, scopes=frozenset())


def _key(ticket: str) -> str:
    return f"export-link:{hashlib.sha256(ticket.encode(errors='replace')).hexdigest()}"
