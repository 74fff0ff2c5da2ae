"""Who is calling: access tokens, socket tickets, and the sessions behind them."""

import logging
import secrets
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from chalicelib.auth.racing import repeat
from chalicelib.auth.sessions.models import (
    OURS,
    SIGNED_IN,
    Jwks,
    NewSession,
    Session,
    SessionInfo,
    SessionPage,
    SessionQuery,
    SocketTicket,
    Terms,
    Tokens,
)
from chalicelib.auth.sessions.refresh import PURPOSE, RefreshToken, RefreshTokens
from chalicelib.clock import NOW
from chalicelib.config import Settings
from chalicelib.errors import NotFound, RateLimited, Unauthorized, Unavailable
from chalicelib.identity import Identity, Source
from chalicelib.ids import new_id
from chalicelib.limits.table import Quota, Use
from chalicelib.live.events import EndedBy
from chalicelib.wire import now

if TYPE_CHECKING:
    from chalicelib.auth.sessions.revocation import Revocation
    from chalicelib.auth.sessions.store import SessionStore
    from chalicelib.auth.sessions.tickets import Tickets
    from chalicelib.auth.sessions.tokens import AccessTokens
    from chalicelib.limits.guesses import Throttle
    from chalicelib.live.gateway import Gateway

log = logging.getLogger(__name__)

# A refresh that comes again within this time is the same refresh, repeated by a client that had
# no answer or raced in a second tab, and gets the same answer.
REPEAT = timedelta(seconds=60)
# Other requests that refresh the same session at the same moment, before we give up.
RACERS = 5
_DEFAULT = Use()
KEPT_AFTER_END = timedelta(days=30)
PURGE_BATCH = 1000
PURGE_BATCHES = 100
# As many grants as can end within a request: each costs two round trips to Redis.
GRANT_BATCH = 100
GRANT_BATCHES = 50
# As long as an access token lives, and clocks may differ by minutes.
FINISHED_WITHIN = timedelta(minutes=15)
FINISH_BATCH = 5000


class Auth:
    """Sessions, and what proves one.

    `store`, `tokens`, `throttle` and `sockets` are called when needed, since most requests load
    no more than Redis and the verification of a token.
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

    def authenticate(self, authorization: str, use: Use = _DEFAULT) -> Identity:
        """Like `admit`, without the quotas."""
        return self.admit(authorization, use)[0]

    def admit(self, authorization: str, use: Use) -> tuple[Identity, list[Quota]]:
        """Who calls, from the Authorization header, and their quotas for such a use: one round trip
        to Redis.

        Raises Unauthorized, RateLimited, or Unavailable where Redis cannot answer.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthorized()
        identity = self._tokens().verify(token.strip())
        known, quotas = self._revocation.admit(
            identity.user_id, identity.session_id, use, identity.client_id
        )
        if not self._stands(identity, known):
            raise Unauthorized()
        return identity, quotas

    def still_valid(self, identity: Identity) -> bool:
        """Whether a session stands at this moment: one round trip to Redis. If it does not, its
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
        """Whose ticket it is; it is used up. Raises Unauthorized, also where its session has ended:
        nobody must be seen to come and go by a ticket that opens nothing.

        The session may end at this moment, and Redis may not know it: ask `still_valid` once the
        socket is recorded.
        """
        identity = self._tickets.redeem(ticket)
        if identity is not None:
            known = self._revocation.stands(identity.user_id, identity.session_id)
            if known is not False or self._stands(identity, known):
                return identity
        raise Unauthorized("The ticket is not valid any more. Ask for a new one.")

    def public_keys(self) -> Jwks:
        """What others verify our access tokens with."""
        return self._tokens().public

    def draft_session(
        self, user_id: str, client: Source, device_name: str | None, terms: Terms = OURS
    ) -> tuple[Session, RefreshToken]:
        """A new session, not stored yet, and its first refresh token."""
        time = now()
        token = self._refresh_tokens.new(terms.session_id or new_id())
        session = Session(
            id=token.session_id,
            user_id=user_id,
            current=token.digest,
            rotated_at=time,
            device_name=device_name,
            user_agent="".join(c for c in client.user_agent if c.isprintable()),
            created_at=time,
            last_used_at=time,
            expires_at=time
            + (timedelta(seconds=terms.seconds) if terms.seconds else self._lifetime),
            client_id=terms.client_id,
            scope=terms.scope,
            auth_time=terms.auth_time,
            drafted=True,
        )
        return session, token

    def tokens(
        self,
        session: Session,
        refresh_token: RefreshToken,
        only: Collection[str] | None = None,
    ) -> Tokens:
        """What to hand to the client of a session. `only`: of its scopes, those it asks for."""
        identity = Identity(
            user_id=session.user_id,
            session_id=session.id,
            scopes=session.scopes if only is None else session.scopes.intersection(only),
            client_id=session.client_id,
        )
        return Tokens(
            session_id=session.id,
            access_token=self._tokens().issue(identity),
            refresh_token=str(refresh_token),
            expires_in=self._settings.access_token_seconds,
        )

    def first_tokens(self, session: Session, token: RefreshToken) -> Tokens:
        """The tokens of a session that was just stored, for the roles that its user has now."""
        roles = self._store().roles(session.user_id)
        return self.tokens(replace(session, roles=roles), token)

    def announce(self, session: Session) -> None:
        """Tell the user's open sockets of a sign-in; best effort."""
        data = NewSession(
            session_id=session.id,
            device_name=session.device_name,
            user_agent=session.user_agent,
            created_at=session.created_at,
        )
        try:
            self._sockets().tell([session.user_id], SIGNED_IN.of(data))
        except Unavailable as error:
            log.warning("sign-in not told", extra={"dependency": error.dependency})

    def open_for(self, opener: Identity, client: Source, device_name: str, terms: Terms) -> Tokens:
        """Open a session for another program, on the word of a session that stands.

        Raises Unauthorized if it does not any more, RateLimited.
        """
        self._throttle().let_in(opener.user_id, terms.client_id or "")
        session, token = self.draft_session(opener.user_id, client, device_name, terms)
        surplus = self._store().open_from(session, opener.session_id)
        if surplus is None:
            raise Unauthorized()
        self.give_way(opener.user_id, surplus)
        return self.first_tokens(session, token)

    def session_behind(self, text: str) -> Session | None:
        """The session that a refresh token was issued for, also when the token is no longer good;
        None for a guess."""
        token = RefreshToken.parse(text)
        if token is None:
            return None
        session = self._store().session(token.session_id)
        known = session and (self._refresh_tokens.issued(token) or _fits(token, session))
        return session if known else None

    def session_of(self, text: str) -> Session | None:
        """The session that a refresh token is good for now; it stays as it is."""
        token, session = RefreshToken.parse(text), self.session_behind(text)
        if token is None or session is None or not session.stands:
            return None
        return session if _fits(token, session) else None

    def end(self, user_id: str, session_id: str, reason: EndedBy = "revoked") -> None:
        """End a session without asking who wants it. Safe to repeat, as `revoke` is."""
        self._store().revoke(user_id, session_id, NOW)
        self.close(user_id, [session_id], reason)

    def refresh(self, text: str, client: Source) -> Tokens:
        """Trade a refresh token of our own clients for fresh tokens.

        The token stays good until the one it is traded for is used: an answer may get lost. Any
        older one has been copied, so the session is revoked. Raises Unauthorized for both, and for
        a guess, which changes nothing; and RateLimited. A repeat completes what an outage cut
        short.
        """
        token, issued = self._read(text)
        if issued:
            return self._trade(token, issued, client_id=None)
        # Only PostgreSQL can tell whether it is a token from before there were proofs.
        self._throttle().refresh_from(client.address)
        try:
            tokens = self._trade(token, issued, client_id=None)
        except (RateLimited, Unavailable):
            self._throttle().refreshed_from(client.address)
            raise
        self._throttle().refreshed_from(client.address)
        return tokens

    def trade(
        self, text: str, *, client_id: str | None, only: Collection[str] | None = None
    ) -> Tokens:
        """Like `refresh`, for the program that the token was given to. The caller counts guesses.
        `only`: the access token gets no other scopes than these."""
        return self._trade(*self._read(text), client_id=client_id, only=only)

    def _read(self, text: str) -> tuple[RefreshToken, bool]:
        """A refresh token, and whether it proves that we issued it. Raises Unauthorized."""
        token = RefreshToken.parse(text)
        if token is None:
            raise _sign_in_again()
        return token, self._refresh_tokens.issued(token)

    def _trade(
        self,
        token: RefreshToken,
        issued: bool,
        *,
        client_id: str | None,
        only: Collection[str] | None = None,
    ) -> Tokens:
        if issued:
            self._throttle().refresh(token.session_id)

        def attempt() -> Tokens | None:
            session = self._store().session(token.session_id)
            if session is None or not session.stands:
                self._complete(session)
                raise _sign_in_again()
            if session.client_id != client_id or not (issued or _fits(token, session)):
                raise _sign_in_again()
            if not issued:
                self._throttle().refresh(session.id)
            successor = self._successor(session, token)
            return self.tokens(session, successor, only) if successor else None

        return repeat(RACERS, attempt)

    def sessions(self, identity: Identity, query: SessionQuery) -> SessionPage:
        """The caller's sessions that stand, newest first."""
        found = self._store().sessions(
            identity.user_id, now=NOW, before=query.cursor, limit=query.limit + 1
        )
        items = [
            SessionInfo(
                id=session.id,
                device_name=session.device_name,
                user_agent=session.user_agent,
                created_at=session.created_at,
                last_used_at=session.last_used_at,
                client_id=session.client_id,
                current=session.id == identity.session_id,
            )
            for session in found[: query.limit]
        ]
        return SessionPage(items=items, next=items[-1].id if len(found) > query.limit else None)

    def end_granted(self, user_id: str, session_id: str, *, client_id: str) -> None:
        """End a session, if it was granted to a program. Safe to repeat."""
        session = self._store().session(session_id)
        if session and (session.user_id, session.client_id) == (user_id, client_id):
            self.end(user_id, session_id, "signed_out")

    def revoke(self, identity: Identity, session_id: str) -> None:
        """End one of the caller's sessions, and close its sockets. A program that it was granted
        to asks again. Raises NotFound.

        Safe to repeat; a repeat completes what an outage cut short. So are the next three.
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
        """End all that the caller granted to a program."""
        ended = self._store().revoke_program(identity.user_id, client_id, NOW)
        self.close(identity.user_id, ended, "signed_out")

    def end_others(self, identity: Identity) -> list[str]:
        """Like `revoke_others`, in PostgreSQL alone: `close` those that it answers."""
        return self._store().revoke_all(identity.user_id, but=identity.session_id, now=NOW)

    def end_all(self, user_id: str) -> list[str]:
        """End all sessions of a user in PostgreSQL alone: `close` those it answers, once that has
        committed."""
        return self._store().revoke_all(user_id, but=None, now=NOW)

    def end_grants(self, client_id: str) -> bool:
        """End what was granted to a program, in bounded batches. False: there is more."""
        for _ in range(GRANT_BATCHES):
            ended = self._store().revoke_grants(client_id, NOW, GRANT_BATCH)
            for user_id, session_id in ended:
                self.close(user_id, [session_id])
            if len(ended) < GRANT_BATCH:
                return True
        return False

    def close(
        self, user_id: str, session_ids: Collection[str], reason: EndedBy = "revoked"
    ) -> None:
        """Refuse the next request of sessions that PostgreSQL has ended, and close their sockets.
        An event gives each socket the reason first.

        If this is cut short, the next request or frame of the session completes it, or
        `finish_revoked` does within minutes.
        """
        if session_ids:
            tombstones = self._revocation.tombstones(user_id, session_ids)
            self._sockets().end_sessions(user_id, session_ids, tombstones, reason)

    def finish_revoked(self) -> int:
        """Close sessions that were revoked in the last minutes and would still be let in: the
        function that revoked them died, or Redis did not answer. Answers how many."""
        revoked = self._store().revoked_within(FINISHED_WITHIN, FINISH_BATCH)
        unfinished: dict[str, list[str]] = {}
        for user_id, session_id in self._revocation.unfinished(revoked):
            unfinished.setdefault(user_id, []).append(session_id)
        for user_id, session_ids in unfinished.items():
            self.close(user_id, session_ids)
        return sum(map(len, unfinished.values()))

    def give_way(self, user_id: str, session_ids: Collection[str]) -> None:
        """End sessions beyond the limit; best effort.

        Redis comes first, so that no session has ended in PostgreSQL and would still be let in. If
        Redis does not answer, they stay valid and give way at the next login.
        """
        try:
            self.close(user_id, session_ids, "too_many_sessions")
            for session_id in session_ids:
                self._store().revoke(user_id, session_id, NOW)
        except Unavailable as error:
            log.warning("surplus sessions left", extra={"dependency": error.dependency})

    def purge_sessions(self) -> int:
        """Delete sessions that ended a month ago, in bounded batches; answers how many."""
        purged = 0
        for _ in range(PURGE_BATCHES):
            batch = self._store().purge_sessions(NOW, KEPT_AFTER_END, PURGE_BATCH)
            purged += batch
            if batch < PURGE_BATCH:
                break
        return purged

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

    @cached_property
    def _refresh_tokens(self) -> RefreshTokens:
        return RefreshTokens(self._tokens().keys_for(PURPOSE))

    def _complete(self, session: Session | None) -> None:
        """Close a session again that was revoked lately: the function that revoked it may have
        died, or Redis did not answer. The session has ended, so this needs no proof."""
        if session is not None and session.revoked_lately:
            self.close(session.user_id, [session.id])

    def _successor(self, session: Session, token: RefreshToken) -> RefreshToken | None:
        """The next token; None if another request was faster, and it must be looked at again."""
        repeated = token.matches(session.previous)
        if not _fits(token, session):
            log.warning("refresh token reused", extra={"session_id": session.id})
            self._store().revoke(session.user_id, session.id, NOW)
            self.close(session.user_id, [session.id])
            raise _sign_in_again()
        age = (session.read_at or session.rotated_at) - session.rotated_at
        if repeated and session.seed and age < REPEAT:
            again = self._refresh_tokens.repeated(token, session.seed, session.current)
            if again is not None:
                return again
        seed = secrets.token_bytes(32)
        successor = self._refresh_tokens.successor(token, seed)
        rotated = self._store().rotate(
            session,
            current=successor.digest,
            previous=token.digest,
            seed=seed,
            now=NOW,
            lifetime=self._lifetime,
        )
        return successor if rotated else None

    @property
    def _lifetime(self) -> timedelta:
        return timedelta(seconds=self._settings.session_seconds)


def _fits(token: RefreshToken, session: Session) -> bool:
    """Whether it is the newest token of a session, or the one before."""
    return any([token.matches(session.current), token.matches(session.previous)])


def _sign_in_again() -> Unauthorized:
    return Unauthorized("Sign in again: the refresh token is not valid any more.")
