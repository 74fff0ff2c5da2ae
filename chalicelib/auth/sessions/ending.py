"""Ending sessions: by their user, by staff, with an OAuth client, or because there are too many."""

import logging
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import TYPE_CHECKING

from chalicelib.auth.sessions.models import (
    SessionInfo,
    SessionPage,
    SessionQuery,
)
from chalicelib.clock import NOW
from chalicelib.config import Settings
from chalicelib.errors import NotFound, Unavailable
from chalicelib.identity import Identity
from chalicelib.live.events import EndedBy

if TYPE_CHECKING:
    from chalicelib.auth.sessions.revocation import Revocation
    from chalicelib.auth.sessions.store import SessionStore
    from chalicelib.auth.sessions.tickets import Tickets
    from chalicelib.auth.sessions.tokens import AccessTokens
    from chalicelib.limits.guesses import Throttle
    from chalicelib.live.gateway import Gateway

log = logging.getLogger(__name__)


KEPT_AFTER_END = timedelta(days=30)
PURGE_BATCH = 1000
PURGE_BATCHES = 100
# How many sessions of programs can end within a request: each costs two round trips to Redis.
CLIENT_BATCH = 100
GRANT_BATCHES = 50
# As long as an access token lives, and clocks may differ by minutes.
FINISHED_WITHIN = timedelta(minutes=15)
FINISH_BATCH = 5000


class Ending:
    """Lists sessions and ends them. The other acts of sessions build on this.

    `store`, `tokens`, `throttle` and `sockets` are called when needed: most requests need only
    Redis and the verification of a token.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        revocation: "Revocation",
        tickets: "Tickets",
        tokens: "Callable[[], AccessTokens]",
        store: "Callable[[], SessionStore]",
        throttle: "Callable[[], Throttle]",
        sockets: "Callable[[], Gateway]",
    ) -> None:
        self._settings = settings
        self._revocation = revocation
        self._tickets = tickets
        self._tokens = tokens
        self._store = store
        self._throttle = throttle
        self._sockets = sockets

    def sessions(self, identity: Identity, query: SessionQuery) -> SessionPage:
        """The caller's valid sessions, newest first."""
        found = self._store().sessions(
            identity.user_id, now=NOW, before=query.cursor, limit=query.limit + 1
        )
        infos = [
            SessionInfo(
                id=session.id,
                device_name=session.device_name,
                user_agent=session.user_agent,
                created_at=session.created_at,
                last_used_at=session.last_used_at,
                client_id=session.client_id,
                current=session.id == identity.session_id,
            )
            for session in found
        ]
        return SessionPage.of(infos, query.limit, lambda one: one.id)

    def revoke(self, identity: Identity, session_id: str) -> None:
        """End one of the caller's sessions, and close its sockets. If it belongs to a program, the
        program must ask for consent again. Raises NotFound.

        Safe to repeat; a repeat completes what an outage interrupted. The same holds for `logout`,
        `revoke_others` and `revoke_program`.
        """
        if not self._store().revoke(identity.user_id, session_id, NOW, by_user=True):
            raise NotFound()
        self.close(identity.user_id, [session_id], "signed_out")

    def logout(self, identity: Identity) -> None:
        """End the session that asks."""
        self.revoke(identity, identity.session_id)

    def revoke_others(self, identity: Identity, reason: EndedBy = "signed_out") -> None:
        """End all of the caller's sessions but the one that asks."""
        self.close(identity.user_id, self.end_others(identity), reason)

    def revoke_program(self, identity: Identity, client_id: str) -> None:
        """End all sessions that the caller granted to a program."""
        ended = self._store().revoke_program(identity.user_id, client_id, NOW)
        self.close(identity.user_id, ended, "signed_out")

    def end(self, user_id: str, session_id: str, reason: EndedBy = "revoked") -> None:
        """End a session without a check of the caller. Safe to repeat, like `revoke`."""
        self._store().revoke(user_id, session_id, NOW)
        self.close(user_id, [session_id], reason)

    def end_session_of_client(self, user_id: str, session_id: str, *, client_id: str) -> None:
        """End a session, if it was granted to a program. Safe to repeat."""
        session = self._store().session(session_id)
        if session and (session.user_id, session.client_id) == (user_id, client_id):
            self.end(user_id, session_id, "signed_out")

    def end_others(self, identity: Identity) -> list[str]:
        """Like `revoke_others`, in PostgreSQL only. Call `close` with the result."""
        return self._store().revoke_all(identity.user_id, but=identity.session_id, now=NOW)

    def end_all(self, user_id: str) -> list[str]:
        """End all sessions of a user in PostgreSQL only. After the commit, call `close` with the
        result."""
        return self._store().revoke_all(user_id, but=None, now=NOW)

    def end_sessions_of_client(self, client_id: str) -> bool:
        """End the sessions that were granted to a program, in bounded batches. False if there are
        more."""
        for _ in range(GRANT_BATCHES):
            ended = self._store().revoke_sessions_of_client(client_id, NOW, CLIENT_BATCH)
            for user_id, session_id in ended:
                self.close(user_id, [session_id])
            if len(ended) < CLIENT_BATCH:
                return True
        return False

    def close(
        self, user_id: str, session_ids: Collection[str], reason: EndedBy = "revoked"
    ) -> None:
        """Refuse the next request of sessions that PostgreSQL has ended, and close their sockets.
        Each socket first gets an event with the reason.

        If this is interrupted, the session's next request or frame completes it, or
        `finish_revoked` does within minutes.
        """
        if session_ids:
            tombstones = self._revocation.tombstones(user_id, session_ids)
            self._sockets().end_sessions(user_id, session_ids, tombstones, reason)

    def give_way(self, user_id: str, session_ids: Collection[str]) -> None:
        """End sessions beyond the limit; best effort.

        Redis comes first, so that no session has ended in PostgreSQL and is still accepted. If
        Redis does not answer, they stay valid and end at the next login.
        """
        try:
            self.close(user_id, session_ids, "too_many_sessions")
            for session_id in session_ids:
                self._store().revoke(user_id, session_id, NOW)
        except Unavailable as error:
            log.warning("surplus sessions left", extra={"dependency": error.dependency})

    def finish_revoked(self) -> int:
        """Close sessions that were revoked in the last minutes and are still accepted, because the
        function that revoked them died or Redis did not answer. Returns how many."""
        revoked = self._store().revoked_within(FINISHED_WITHIN, FINISH_BATCH)
        unfinished: dict[str, list[str]] = {}
        for user_id, session_id in self._revocation.unfinished(revoked):
            unfinished.setdefault(user_id, []).append(session_id)
        for user_id, session_ids in unfinished.items():
            self.close(user_id, session_ids)
        return sum(map(len, unfinished.values()))

    def purge_sessions(self) -> int:
        """Delete sessions that ended a month ago, in bounded batches; answers how many."""
        purged = 0
        for _ in range(PURGE_BATCHES):
            batch = self._store().purge_sessions(NOW, KEPT_AFTER_END, PURGE_BATCH)
            purged += batch
            if batch < PURGE_BATCH:
                break
        return purged
