"""Refreshing sessions: a refresh token is traded for the next."""

import logging
import secrets
from collections.abc import Collection
from datetime import timedelta

from chalicelib.auth.racing import repeat
from chalicelib.auth.sessions.models import (
    Session,
    Tokens,
)
from chalicelib.auth.sessions.opening import Opening
from chalicelib.auth.sessions.refresh_tokens import RefreshToken
from chalicelib.clock import NOW
from chalicelib.errors import Unauthorized
from chalicelib.identity import Source

log = logging.getLogger(__name__)


# If a refresh comes again within this time, it is a repeat: the client got no answer, or two tabs
# raced. It gets the same answer.
REPEAT = timedelta(seconds=60)
# How many other requests may refresh the same session at the same moment, before we give up.
RACERS = 5


class Refreshing(Opening):
    """Raises Unavailable if a server does not answer."""

    def refresh(self, text: str, source: Source) -> Tokens:
        """Trade a refresh token of our own clients for fresh tokens.

        The token stays valid until its successor is used, because an answer can be lost. If an
        older token comes, somebody has copied it: the session is revoked. Raises Unauthorized for
        that and for a guess, which changes nothing; RateLimited. A repeat completes what an outage
        interrupted.
        """
        token, issued = self._read(text)
        if issued:
            return self._trade(token, issued, client_id=None)
        # Only PostgreSQL can tell whether it is an old token without a proof.
        with self._throttle().refresh_from(source.address):
            return self._trade(token, issued, client_id=None)

    def trade(
        self, text: str, *, client_id: str | None, only: Collection[str] | None = None
    ) -> Tokens:
        """Like `refresh`, for the program that the token was given to. The caller counts guesses.
        `only`: the access token gets no other scopes than these."""
        return self._trade(*self._read(text), client_id=client_id, only=only)

    def session_behind(self, text: str) -> Session | None:
        """The session that a refresh token was issued for, also if the token is no longer valid;
        None for a guess."""
        token = RefreshToken.parse(text)
        if token is None:
            return None
        session = self._store().session(token.session_id)
        known = session and (self._refresh_tokens.issued(token) or _fits(token, session))
        return session if known else None

    def session_of(self, text: str) -> Session | None:
        """The session of a valid refresh token. The token is not traded."""
        token, session = RefreshToken.parse(text), self.session_behind(text)
        if token is None or session is None or not session.stands:
            return None
        return session if _fits(token, session) else None

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

    def _complete(self, session: Session | None) -> None:
        """Close a recently revoked session once more: the function that revoked it may have died,
        or Redis did not answer. It has ended, so no proof is needed."""
        if session is not None and session.revoked_lately:
            self.close(session.user_id, [session.id])

    def _successor(self, session: Session, token: RefreshToken) -> RefreshToken | None:
        """The next token; None if another request was faster: then read the session again."""
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


def _fits(token: RefreshToken, session: Session) -> bool:
    """Whether it is the newest token of a session, or the one before."""
    return any([token.matches(session.current), token.matches(session.previous)])


def _sign_in_again() -> Unauthorized:
    return Unauthorized("Sign in again: the refresh token is not valid any more.")
