"""Signing in with a Google account."""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING
from unicodedata import normalize

from pydantic import TypeAdapter, ValidationError

from chalicelib.auth.google.models import GoogleCredentials, GoogleLink, GoogleProof, GoogleStart
from chalicelib.auth.racing import repeat
from chalicelib.auth.sessions.models import OURS, SignedIn, Terms
from chalicelib.clock import NOW
from chalicelib.errors import (
    AccountSuspended,
    GoogleOff,
    GoogleTaken,
    IdTokenInvalid,
    LinkRequired,
    UsernameRequired,
    UsernameTaken,
)
from chalicelib.identity import Identity, Source
from chalicelib.ids import new_id
from chalicelib.text.characters import cut
from chalicelib.users.models import Name, Profile
from chalicelib.wire import now

if TYPE_CHECKING:
    from chalicelib.auth.accounts import Accounts
    from chalicelib.auth.confirmation import Confirmation
    from chalicelib.auth.google.store import GoogleStore, Linked
    from chalicelib.auth.google.tokens import GoogleAccount, GoogleTokens
    from chalicelib.auth.google.uses import IdTokenUses
    from chalicelib.auth.passwords import Passwords
    from chalicelib.auth.sessions.service import Auth
    from chalicelib.limits.guesses import Throttle
    from chalicelib.users.names import ReservedNames

RACERS = 3
"""How many other requests, between our read and our change, before we give up."""

_NAME: TypeAdapter[str] = TypeAdapter(Name)


class Google:
    """`start` is None where no client id is set; then every method raises GoogleOff."""

    def __init__(
        self,
        *,
        start: GoogleStart | None,
        tokens: "Callable[[], GoogleTokens]",
        uses: "IdTokenUses",
        store: "GoogleStore",
        accounts: "Accounts",
        confirmation: "Confirmation",
        auth: "Auth",
        passwords: "Passwords",
        throttle: "Throttle",
        names: "ReservedNames",
    ) -> None:
        self._start = start
        self._tokens = tokens
        self._uses = uses
        self._store = store
        self._accounts = accounts
        self._confirmation = confirmation
        self._auth = auth
        self._passwords = passwords
        self._throttle = throttle
        self._names = names

    def sign_in(self, given: GoogleCredentials, source: Source, terms: Terms = OURS) -> SignedIn:
        """Sign in to the account that the Google account is linked to. Else link it to the account
        that has verified its address, if Google gives that address out. Else make an account.

        Raises IdTokenInvalid, also for a token that was used; LinkRequired, UsernameRequired,
        UsernameTaken, ValidationFailed for a reserved name, AccountSuspended, SecondFactorRequired,
        SecondFactorInvalid, PasskeyInvalid, RateLimited. Only wrong tokens count by address, so
        right ones never wait for it.
        """
        try:
            account = self._verified(given.id_token, given.nonce)
        except IdTokenInvalid:
            self._throttle.google_guess(source.address)
            raise
        self._throttle.google(account.subject)

        def attempt() -> SignedIn | None:
            found = self._store.find(account.subject)
            if found is None and account.email is not None:
                found = self._store.owner(account.email)
            if found is None:
                signed_in = self._register(account, given, source, terms)
            else:
                signed_in = self._enter(account, found, given, source, terms)
            if signed_in is None:
                self._uses.give_back(given.id_token)
            return signed_in

        return repeat(RACERS, attempt)

    def link(self, identity: Identity, proof: GoogleProof) -> None:
        """Link a Google account to the caller's account. The caller gets a mail about it.

        Raises what `Confirmation.confirm` does, IdTokenInvalid, GoogleTaken.
        """
        account = self._verified(proof.id_token, proof.nonce)
        self._confirmation.confirm(identity, proof)
        self._use(account, proof.id_token)
        if not self._store.link(identity.user_id, account.subject, NOW):
            raise GoogleTaken()

    def unlink(self, identity: Identity) -> None:
        """Unlink the caller's Google account. Safe to repeat."""
        self._refuse_where_off()
        self._store.unlink(identity.user_id, NOW)

    def state(self, identity: Identity) -> GoogleLink:
        """Whether a Google account is linked."""
        self._refuse_where_off()
        linked_at = self._store.linked_at(identity.user_id)
        return GoogleLink(linked=linked_at is not None, linked_at=linked_at)

    def _refuse_where_off(self) -> None:
        if self._start is None:
            raise GoogleOff()

    def _verified(self, id_token: str, nonce: str) -> "GoogleAccount":
        self._refuse_where_off()
        account = self._tokens().verify(id_token)
        made = hashlib.sha256(nonce.encode()).hexdigest()
        if not hmac.compare_digest(made.encode(), account.nonce.encode()):
            raise IdTokenInvalid()
        return account

    def _enter(
        self,
        account: "GoogleAccount",
        found: "Linked",
        given: GoogleCredentials,
        source: Source,
        terms: Terms,
    ) -> SignedIn | None:
        """None if the data has changed since it was read."""
        ours = found.subject == account.subject
        # If another provider has the mailbox, Google only knows that the user proved it once; they
        # may have lost it since. And an address at Google can get a new owner.
        if not ours and (found.subject is not None or not account.authoritative):
            raise LinkRequired()
        if found.suspended:
            raise AccountSuspended()
        if found.second_factor:
            self._confirmation.check_second_factor(
                found.user_id, code=given.second_factor, passkey=given.passkey
            )
        self._throttle.signed_in(found.user_id)
        self._use(account, given.id_token)
        if not ours and not self._store.link(
            found.user_id, account.subject, NOW, address=account.email
        ):
            return None
        return self._accounts.open_by_google(
            found.user_id, account.subject, source, given.device_name, given.device_key, terms
        )

    def _register(
        self, account: "GoogleAccount", given: GoogleCredentials, source: Source, terms: Terms
    ) -> SignedIn | None:
        """None if another account has the Google account or its address by now."""
        if account.email is None:
            raise IdTokenInvalid(_NO_MAIL)
        if given.username is None:
            raise UsernameRequired()
        self._throttle.registration(source.address)
        self._names.refuse_username(given.username)
        if given.display_name:
            self._names.refuse_display_name(given.display_name)
        self._use(account, given.id_token)
        user = Profile(
            id=new_id(),
            username=given.username,
            display_name=given.display_name or self._name(account) or given.username,
            about="",
            avatar_url=None,
            email=account.email,
            email_verified=account.authoritative,
            push_previews=True,
            created_at=now(),
        )
        # Nobody knows this password. A user who wants one sets it by a reset mail.
        password_hash = self._passwords.hash(secrets.token_urlsafe(32))
        session, token = self._auth.draft_session(user.id, source, given.device_name, terms)
        try:
            if not self._store.add(user, password_hash, session, account.subject):
                return None
        except UsernameTaken:
            self._uses.give_back(given.id_token)
            raise
        self._accounts.recognise(user, given.device_key)
        return SignedIn(user=user, **dict(self._auth.tokens(session, token)))

    def _name(self, account: "GoogleAccount") -> str | None:
        """The user's name at Google, if it is allowed here."""
        name = _name(account)
        return None if name is None or self._names.pretends(name) else name

    def _use(self, account: "GoogleAccount", id_token: str) -> None:
        if not self._uses.use(id_token, account.expires_at):
            raise IdTokenInvalid()


_NO_MAIL = (
    "We cannot send mail to the address of this Google account. Register with another address, and "
    "link Google in the settings."
)


def _name(account: "GoogleAccount") -> str | None:
    try:
        return _NAME.validate_python(cut(normalize("NFC", account.name.strip()), 64, end=""))
    except ValidationError:
        return None
