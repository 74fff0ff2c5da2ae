"""Who is calling: the session behind an access token or a socket ticket."""

from chalicelib.auth.sessions.ending import Ending
from chalicelib.auth.sessions.models import (
    Jwks,
    SocketTicket,
)
from chalicelib.errors import Unauthorized
from chalicelib.identity import Identity
from chalicelib.limits.table import Quota, Use

_DEFAULT = Use()


class Checking(Ending):
    """A request costs one round trip to Redis. PostgreSQL is asked if Redis has no entry."""

    def authenticate(self, authorization: str, use: Use = _DEFAULT) -> Identity:
        """Like `admit`, without the quotas."""
        return self.admit(authorization, use)[0]

    def admit(self, authorization: str, use: Use) -> tuple[Identity, list[Quota]]:
        """The caller, by the Authorization header, and what is left of their rate limits: one round
        trip to Redis.

        Raises Unauthorized, RateLimited, or Unavailable if Redis cannot answer.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthorized()
        identity = self._tokens().verify(token.strip())
        known, quotas = self._revocation.check(
            identity.user_id, identity.session_id, use, identity.client_id
        )
        if not self._stands(identity, known):
            raise Unauthorized()
        return identity, quotas

    def still_valid(self, identity: Identity) -> bool:
        """Whether a session is valid at this moment: one round trip to Redis. If it is not, its
        sockets are dropped."""
        known = self._revocation.stands(identity.user_id, identity.session_id)
        return self._stands(identity, known)

    def issue_ticket(self, identity: Identity) -> SocketTicket:
        """A ticket to open one socket with."""
        return SocketTicket(
            ticket=self._tickets.issue(identity),
            url=self._settings.ws_url,
            expires_in=self._settings.socket_ticket_seconds,
        )

    def redeem_ticket(self, ticket: str) -> Identity:
        """The caller who got the ticket, which works once. Raises Unauthorized, also if the session
        has ended: without that, a refused socket would show the user as online for a moment.

        The session may end right now, before Redis knows it: call `still_valid` once the socket is
        recorded.
        """
        identity = self._tickets.redeem(ticket)
        if identity is not None:
            known = self._revocation.stands(identity.user_id, identity.session_id)
            if known is not False or self._stands(identity, known):
                return identity
        raise Unauthorized("The ticket is not valid any more. Ask for a new one.")

    def public_keys(self) -> Jwks:
        """The keys by which others verify our access tokens."""
        return self._tokens().public

    def _stands(self, identity: Identity, known: bool | None) -> bool:
        if known:
            return True
        if known is False:
            # The function that revoked it may have died before it dropped the sockets.
            self._sockets().close_session(identity.user_id, identity.session_id)
            return False
        session = self._store().session(identity.session_id)
        stands = session is not None and session.user_id == identity.user_id and session.stands
        if stands and self._revocation.confirm(identity.user_id, identity.session_id):
            return True
        # Perhaps Redis failed when this session was revoked, and its sockets are still open.
        self.close(identity.user_id, [identity.session_id])
        return False
