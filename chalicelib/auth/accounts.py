"""Accounts: registering, signing in by password, changing it, deleting the account."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.auth.models import Credentials, PasswordChange, PasswordProof, Proof, Registration
from chalicelib.auth.passkey_answers import PasskeyAnswer
from chalicelib.auth.passkeys.models import Passkey, PasskeySignIn
from chalicelib.auth.sessions.models import OURS, Session, SignedIn, Terms
from chalicelib.auth.sessions.refresh import RefreshToken
from chalicelib.clock import NOW
from chalicelib.errors import (
    AccountSuspended,
    InvalidCredentials,
    PasskeyInvalid,
    SecondFactorRequired,
    Unavailable,
    UserNotFound,
)
from chalicelib.identity import Identity, Source
from chalicelib.ids import new_id
from chalicelib.users.models import Profile
from chalicelib.wire import now

if TYPE_CHECKING:
    from chalicelib.auth.passkeys.service import Passkeys
    from chalicelib.auth.passwords import Passwords
    from chalicelib.auth.second_factor.service import SecondFactor
    from chalicelib.auth.sessions.service import Auth
    from chalicelib.auth.store import AccountStore, Credential
    from chalicelib.limits.guesses import Throttle
    from chalicelib.users.names import ReservedNames
    from chalicelib.users.service import Users

RACERS = 3
"""Changes of a password that may come between our check and our change, before we give up."""


class _Match(NamedTuple):
    """A password, and the stored hash that it matched."""

    hash: str
    password: str


class Accounts:
    """Everything that needs a password. Attempts are limited before any is hashed."""

    def __init__(
        self,
        *,
        store: "AccountStore",
        passwords: "Passwords",
        throttle: "Throttle",
        auth: "Auth",
        users: "Users",
        second_factor: "Callable[[], SecondFactor]",
        forget_presence: Callable[[str], None],
        passkeys: "Callable[[], Passkeys]",
        names: "ReservedNames",
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._throttle = throttle
        self._auth = auth
        self._users = users
        self._second_factor = second_factor
        self._forget_presence = forget_presence
        self._passkeys = passkeys
        self._names = names

    def register(self, registration: Registration, client: Source, terms: Terms = OURS) -> SignedIn:
        """Make an account and sign in to it.

        The address is noted as a claim, even if another account has it, and a link to verify it is
        mailed. Raises ValidationFailed for a weak password or a reserved name, UsernameTaken,
        RateLimited.
        """
        self._throttle.registration(client.address)
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
        session, token = self._auth.draft_session(user.id, client, registration.device_name, terms)
        self._store.add(user, self._passwords.hash(registration.password), session)
        self.recognise(user, registration.device_key)
        return SignedIn(user=user, **dict(self._auth.tokens(session, token)))

    def login(self, credentials: Credentials, client: Source, terms: Terms = OURS) -> SignedIn:
        """Sign in, and tell the user where they are signed in already.

        Raises InvalidCredentials, alike in answer and in time for a wrong password, for a login
        that nobody has, and for an account that was guessed at too often by its other name;
        AccountSuspended, SecondFactorRequired, SecondFactorInvalid and PasskeyInvalid, only for the
        right password; and RateLimited.
        """
        attempt = self._throttle.login(credentials.login, client.address, credentials.device_key)
        found = self._store.credential_for(credentials.login)
        allowed = self._throttle.account(attempt, found.user_id if found else None)
        password_hash = found.password_hash if found and allowed else None
        if not self._passwords.verify(password_hash, credentials.password) or found is None:
            raise InvalidCredentials()
        self._throttle.logged_in(attempt)
        if found.suspended:
            raise AccountSuspended()
        if found.second_factor:
            self.check_second_factor(
                found.user_id, code=credentials.second_factor, passkey=credentials.passkey
            )
        session, token = self._auth.draft_session(
            found.user_id, client, credentials.device_name, terms
        )
        known = self._throttle.knows(found.user_id, credentials.device_key)
        surplus = self._store.open_session(session, found.password_hash, known=known)
        if surplus is None:  # the password was changed or the account suspended meanwhile
            again = self._store.credential_for(credentials.login)
            raise AccountSuspended() if _suspended_since(again, found) else InvalidCredentials()
        if self._passwords.outdated(found.password_hash):
            self._store.rehash(found, self._passwords.hash(credentials.password))
        signed_in = self._opened(session, token, surplus)
        # Not before: the password alone makes no device known.
        self.recognise(signed_in.user, credentials.device_key)
        return signed_in

    def open_by_passkey(
        self, passkey: Passkey, client: Source, given: PasskeySignIn, terms: Terms = OURS
    ) -> SignedIn:
        """Like `login`, after a passkey was proved. Raises PasskeyInvalid if it was removed, or its
        user suspended, meanwhile; RateLimited."""
        user_id = passkey.user_id
        self._throttle.signed_in(user_id)
        session, token = self._auth.draft_session(user_id, client, given.device_name, terms)
        known = self._throttle.knows(user_id, given.device_key)
        surplus = self._store.open_by_passkey(session, passkey.id, known=known)
        if surplus is None:
            raise PasskeyInvalid()
        signed_in = self._opened(session, token, surplus)
        self.recognise(signed_in.user, given.device_key)
        return signed_in

    def open_by_google(
        self,
        user_id: str,
        subject: str,
        client: Source,
        device_name: str | None,
        device_key: str | None,
        terms: Terms = OURS,
    ) -> SignedIn | None:
        """Like `login`, after the linked Google account was proved. None: it is no longer linked,
        or the user was suspended meanwhile."""
        session, token = self._auth.draft_session(user_id, client, device_name, terms)
        known = self._throttle.knows(user_id, device_key)
        surplus = self._store.open_by_google(session, subject, known=known)
        if surplus is None:
            return None
        signed_in = self._opened(session, token, surplus)
        self.recognise(signed_in.user, device_key)
        return signed_in

    def check_second_factor(
        self, user_id: str, *, code: str | None, passkey: PasskeyAnswer | None
    ) -> None:
        """Raises SecondFactorRequired unless one of both is given, SecondFactorInvalid or
        PasskeyInvalid for a wrong one, PasskeysOff, RateLimited."""
        if passkey is not None:
            self._passkeys().check(user_id, passkey)
        elif code is not None:
            self._second_factor().check(user_id, code)
        else:
            raise SecondFactorRequired(self._passkeys().offer(user_id))

    def change_password(self, identity: Identity, change: PasswordChange) -> None:
        """Set a new password and end all other sessions.

        Raises InvalidCredentials unless the current one is right, ValidationFailed for a weak new
        one, what `check_second_factor` raises, RateLimited. A repeat completes what an outage cut
        short.
        """
        asked = False
        for _ in range(RACERS):
            found = self._check(identity, change.current_password, or_else=change.new_password)
            if found is None:
                raise InvalidCredentials(_WRONG)
            # The new password is in force already: this request is a repeat, and sends no mail.
            if found.password != change.current_password:
                return self._auth.revoke_others(identity, "password_changed")
            user = self._users.me(identity.user_id)
            self._passwords.refuse_weak(change.new_password, user, field="new_password")
            if not asked:  # a code is good once
                self._ask_second_factor(identity.user_id, change)
                asked = True
            ended = self._store.change_password(
                identity.user_id,
                self._passwords.hash(change.new_password),
                checked=found.hash,
                but=identity.session_id,
                now=NOW,
            )
            if ended is not None:
                return self._auth.close(identity.user_id, ended, "password_changed")
        raise Unavailable("postgres")

    def delete(self, identity: Identity, proof: PasswordProof) -> None:
        """Delete the account and end its sessions. Messages stay, as from a deleted user;
        docs/personal-data.md tells what else does.

        Raises what `confirm` does, LastAdmin, RateLimited. A repeat completes what an outage cut
        short.
        """
        asked = False
        for _ in range(RACERS):
            found = self._check(identity, proof.password)
            if found is not None and not asked:
                self._ask_second_factor(identity.user_id, proof)
                asked = True
            # First, while it is known what the devices are kept under.
            self._throttle.forget(identity.user_id, self._logins(identity.user_id))
            with self._users.changing(identity.user_id):
                checked = found.hash if found else None
                ended = self._store.erase(identity.user_id, NOW, checked=checked)
            if ended is not None:
                try:
                    self._auth.close(identity.user_id, ended, "account_deleted")
                finally:  # only the answer may be lost, and then a repeat is refused
                    self._forget_presence(identity.user_id)
                return
        raise Unavailable("postgres")

    def confirm(self, identity: Identity, proof: PasswordProof) -> None:
        """Raises InvalidCredentials unless it is the caller's password, RateLimited, and what
        `check_second_factor` does where the caller has a second factor."""
        self.do_with(identity, proof, lambda _: True)

    def do_with(self, identity: Identity, proof: PasswordProof, act: Callable[[str], bool]) -> None:
        """Like `confirm`; then `act` with the hash that was checked. It answers False, and changes
        nothing, if the hash has changed since: then the password is checked again."""
        asked = False
        for _ in range(RACERS):
            found = self._check(identity, proof.password)
            if found is None:
                raise InvalidCredentials(_WRONG)
            if not asked:  # a code is good once
                self._ask_second_factor(identity.user_id, proof)
                asked = True
            if act(found.hash):
                return
        raise Unavailable("postgres")

    def recognise(self, user: Profile, device_key: str | None) -> None:
        """Know a device that has signed in, by both names of the account: until it is verified,
        the address is not one of them. Sign-ins on an unknown device are mailed."""
        if device_key:
            logins = [user.username, *([user.email] if user.email_verified else [])]
            with suppress(Unavailable):
                self._throttle.recognise(logins, user.id, device_key)

    def _ask_second_factor(self, user_id: str, proof: Proof) -> None:
        if self._second_factor().is_on(user_id):
            self.check_second_factor(user_id, code=proof.second_factor, passkey=proof.passkey)

    def _opened(self, session: Session, token: RefreshToken, surplus: list[str]) -> SignedIn:
        self._auth.give_way(session.user_id, surplus)
        self._auth.announce(session)
        user = self._users.me(session.user_id)
        session = replace(session, roles=self._store.roles(session.user_id))
        return SignedIn(user=user, **dict(self._auth.tokens(session, token)))

    def _check(
        self, identity: Identity, password: str, *, or_else: str | None = None
    ) -> _Match | None:
        """Which of both is the password; None if the account is deleted. Raises
        InvalidCredentials."""
        self._throttle.password(identity.user_id)
        password_hash = self._store.password_hash(identity.user_id)
        if password_hash is None:
            return None
        # A repeated change finds its new password in force already, so that one is tried too. It
        # is one more guess at the password.
        for number, one in enumerate(filter(None, dict.fromkeys([password, or_else]))):
            if number:
                self._throttle.password(identity.user_id)
            if self._passwords.verify(password_hash, one):
                self._throttle.password_right(identity.user_id)
                return _Match(password_hash, one)
        raise InvalidCredentials(_WRONG)

    def _logins(self, user_id: str) -> list[str]:
        """What a user signs in with; nothing, where the account is deleted."""
        try:
            user = self._users.me(user_id)
        except UserNotFound:
            return []
        return [user.username, user.email]


def _suspended_since(now: "Credential | None", before: "Credential") -> bool:
    return now is not None and now.suspended and now.password_hash == before.password_hash


_WRONG = "The password is wrong. If you never chose one, have a link mailed to set it."
