"""Socket tickets: each opens one socket, so that no access token is in a URL."""

import hashlib
import json
import secrets
from typing import TYPE_CHECKING

from chalicelib.config import Settings
from chalicelib.drivers.redis import guarded
from chalicelib.identity import Identity

if TYPE_CHECKING:
    import redis


class Tickets:
    """Each works once, within `socket_ticket_seconds`; Redis gets its digest only."""

    def __init__(self, client: "redis.Redis", settings: Settings) -> None:
        self._redis = client
        self._seconds = settings.socket_ticket_seconds

    def issue(self, identity: Identity) -> str:
        ticket = secrets.token_urlsafe(32)
        scopes = sorted(identity.scopes)
        who = [identity.user_id, identity.session_id, identity.client_id, scopes]
        with guarded():
            self._redis.set(_key(ticket), json.dumps(who), ex=self._seconds)
        return ticket

    def redeem(self, ticket: str) -> Identity | None:
        """The caller who got the ticket. None if it is unknown, expired or redeemed before."""
        with guarded():
            found = self._redis.getdel(_key(ticket))
        if found is None:
            return None
        user_id, session_id, client_id, scopes = json.loads(found)
        return Identity(
            user_id=user_id,
            session_id=session_id,
            client_id=client_id,
            scopes=frozenset(scopes),
        )


def _key(ticket: str) -> str:
    # Not "ticket:": earlier versions use that for tickets that do not name their client.
    return f"socket-ticket:{hashlib.sha256(ticket.encode(errors='replace')).hexdigest()}"
