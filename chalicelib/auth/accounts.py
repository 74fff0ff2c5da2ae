"""Registering, and signing in: by a password, a passkey or a Google account."""

from contextlib import suppress
from typing import TYPE_CHECKING

from chalicelib.auth.models import Credentials, Registration
from chalicelib.auth.sessions.models import OURS, Session, SignedIn, Terms
from chalicelib.auth.sessions.refresh_tokens import RefreshToken
from chalicelib.errors import (
    AccountSuspended,
    InvalidCredentials,
    PasskeyInvalid,
    Unavailable,
)
from chalicelib.identity import Source
from chalicelib.ids import new_id
from chalicelib.users.models import Profile
from chalicelib.wire import now

if TYPE_CHECKING:
    from chalicelib.auth.confirmation import Confirmation
    from chalicelib.auth.passwords import Passwords
    from chalicelib.auth.sessions.service import Auth
    from chalicelib.auth.store import AccountStore, Credential
    from chalicelib.limits.guesses import Throttle
    from chalicelib.users.names import ReservedNames
    from chalicelib.users.profiles import Users


class Accounts:
    """Attempts are limited before a password is hashed."""

    def __init__(
        self,
        *,
        store: "AccountStore",
        passwords: "Passwords",
        throttle: "Throttle",
        auth: "Auth",
        users: "Users",
        confirmation: "Confirmation",
        names: "ReservedNames",
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._throttle = throttle
        self._auth = auth
        self._users = users
        self._confirmation = confirmation
        self._names = names

    def register(self, registration: Registration, source: Source, terms: Terms = OURS) -> SignedIn:
        """Make an account and sign in to it.

        The address is noted as a claim, even if another account has it, and a link to verify it is
        mailed. Raises ValidationFailed for a weak password or a reserved name, UsernameTaken,
        RateLimited.
        """
        self._throttle.registration(source.address)
        self._names.refuse_username(registration.username)
        self._names.refuse_display_name(registration.display_name)
        user = Profile(
            id=new_id(),
            username=registration.username,
            display_name=registration.display_name,
            about="",
            avatar_url=None,
            email=registration.email,
            email_verified=False,
            push_previews=True,
            created_at=now(),
        )
        self._passwords.refuse_weak(registration.password, user, field="password")
        session, token = self._auth.draft_session(user.id, source, registration.device_name, terms)
        self._store.add(user, self._passwords.hash(registration.password), session)
        self.recognise(user, registration.device_key)
        return SignedIn(user=user, **dict(self._auth.tokens(session, token)))

    def login(self, credentials: Credentials, source: Source, terms: Terms = OURS) -> SignedIn:
        """Sign in, and tell the user where they are signed in already.

        Raises InvalidCredentials for a wrong password, for an unknown login, and for an account
        whose other name had too many guesses: answer and time are the same for all three. Raises
        AccountSuspended, SecondFactorRequired, SecondFactorInvalid and PasskeyInvalid only for the
        right password; and RateLimited.
        """
        attempt = self._throttle.login(credentials.login, source.address, credentials.device_key)
        found = self._store.credential_for(credentials.login)
        with self._throttle.account(attempt, found.user_id if found else None) as allowed:
            password_hash = found.password_hash if found and allowed else None
            if not self._passwords.verify(password_hash, credentials.password) or found is None:
                raise InvalidCredentials()
        if found.suspended:
            raise AccountSuspended()
        if found.second_factor:
            self._confirmation.check_second_factor(
                found.user_id, code=credentials.second_factor, passkey=credentials.passkey
            )
        session, token = self._auth.draft_session(
            found.user_id, source, credentials.device_name, terms
        )
        known = self._throttle.knows(found.user_id, credentials.device_key)
        surplus = self._store.open_session(session, found.password_hash, known=known)
        if surplus is None:  # the password was changed or the account suspended since
            again = self._store.credential_for(credentials.login)
            raise AccountSuspended() if _suspended_since(again, found) else InvalidCredentials()
        if self._passwords.outdated(found.password_hash):
            self._store.rehash(found, self._passwords.hash(credentials.password))
        signed_in = self._opened(session, token, surplus)
        # Not earlier: the password alone does not make a device known.
        self.recognise(signed_in.user, credentials.device_key)
        return signed_in

    def open_by_passkey(
        self,
        user_id: str,
        passkey_id: str,
        source: Source,
        device_name: str | None,
        device_key: str | None,
        terms: Terms = OURS,
    ) -> SignedIn:
        """Like `login`, after a passkey was checked. Raises PasskeyInvalid if it was removed or its
        user was suspended in the meantime; RateLimited."""
        self._throttle.signed_in(user_id)
        session, token = self._auth.draft_session(user_id, source, device_name, terms)
        known = self._throttle.knows(user_id, device_key)
        surplus = self._store.open_by_passkey(session, passkey_id, known=known)
        if surplus is None:
            raise PasskeyInvalid()
        signed_in = self._opened(session, token, surplus)
        self.recognise(signed_in.user, device_key)
        return signed_in

    def open_by_google(
        self,
        user_id: str,
        subject: str,
        source: Source,
        device_name: str | None,
        device_key: str | None,
        terms: Terms = OURS,
    ) -> SignedIn | None:
        """Like `login`, after the linked Google account was checked. None if it is no longer
        linked, or the user was suspended in the meantime."""
        session, token = self._auth.draft_session(user_id, source, device_name, terms)
        known = self._throttle.knows(user_id, device_key)
        surplus = self._store.open_by_google(session, subject, known=known)
        if surplus is None:
            return None
        signed_in = self._opened(session, token, surplus)
        self.recognise(signed_in.user, device_key)
        return signed_in

    def recognise(self, user: Profile, device_key: str | None) -> None:
        """Remember a device that has signed in, under both names of the account: the username and,
        once it is verified, the address. Sign-ins on an unknown device are mailed."""
        if device_key:
            logins = [user.username, *([user.email] if user.email_verified else [])]
            with suppress(Unavailable):
                self._throttle.recognise(logins, user.id, device_key)

    def _opened(self, session: Session, token: RefreshToken, surplus: list[str]) -> SignedIn:
        self._auth.give_way(session.user_id, surplus)
        self._auth.announce(session)
        user = self._users.me(session.user_id)
        return SignedIn(user=user, **dict(self._auth.first_tokens(session, token)))


def _suspended_since(now: "Credential | None", before: "Credential") -> bool:
    return now is not None and now.suspended and now.password_hash == before.password_hash
