"""Opening sessions."""

import logging
from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from functools import cached_property

from chalicelib.auth.sessions.ending import Ending
from chalicelib.auth.sessions.models import (
    OURS,
    SIGNED_IN,
    NewSession,
    Session,
    Terms,
    Tokens,
)
from chalicelib.auth.sessions.refresh_tokens import PURPOSE, RefreshToken, RefreshTokens
from chalicelib.errors import Unauthorized, Unavailable
from chalicelib.identity import Identity, Source
from chalicelib.ids import new_id
from chalicelib.wire import now

log = logging.getLogger(__name__)


class Opening(Ending):
    """Opens a session in two steps: it is drafted here, and a store stores it if the proof is still
    valid."""

    def draft_session(
        self, user_id: str, source: Source, device_name: str | None, terms: Terms = OURS
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
            user_agent="".join(c for c in source.user_agent if c.isprintable()),
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
        """The tokens for the client of a session. `only`: the scopes that it asks for."""
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

    def open_for(self, opener: Identity, source: Source, device_name: str, terms: Terms) -> Tokens:
        """Open a session for an OAuth client, from a valid session of its user.

        Raises Unauthorized if that is no longer valid, RateLimited.
        """
        self._throttle().program_session(opener.user_id, terms.client_id or "")
        session, token = self.draft_session(opener.user_id, source, device_name, terms)
        surplus = self._store().open_from(session, opener.session_id)
        if surplus is None:
            raise Unauthorized()
        self.give_way(opener.user_id, surplus)
        return self.first_tokens(session, token)

    @cached_property
    def _refresh_tokens(self) -> RefreshTokens:
        return RefreshTokens(self._tokens().keys_for(PURPOSE))

    @property
    def _lifetime(self) -> timedelta:
        return timedelta(seconds=self._settings.session_seconds)
