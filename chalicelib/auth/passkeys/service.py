"""Passkeys: signing in by WebAuthn, alone or beside a password."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from chalicelib.auth.models import PasswordProof
from chalicelib.auth.passkey_answers import PasskeyAnswer
from chalicelib.auth.passkeys.models import (
    NewPasskey,
    Passkey,
    PasskeyInfo,
    PasskeyList,
    PasskeyName,
    PasskeyOptions,
    PasskeySignIn,
    Unacceptable,
)
from chalicelib.auth.sessions.models import OURS, SignedIn, Terms
from chalicelib.clock import NOW
from chalicelib.errors import (
    AccountSuspended,
    NotFound,
    PasskeyInvalid,
    PasskeysOff,
    ValidationFailed,
)
from chalicelib.identity import Identity, Source
from chalicelib.ids import new_id
from chalicelib.text.sentences import problem
from chalicelib.wire import now

if TYPE_CHECKING:
    from chalicelib.auth.accounts import Accounts
    from chalicelib.auth.passkeys.challenges import Challenges, Purpose
    from chalicelib.auth.passkeys.store import PasskeyStore
    from chalicelib.auth.passkeys.webauthn import RelyingParty
    from chalicelib.limits.guesses import Throttle
    from chalicelib.users.profiles import Users

log = logging.getLogger(__name__)


class Passkeys:
    """`relying_party` returns None if passkeys are off. It is called when needed, since it loads a
    library. `confirm` is Confirmation.confirm."""

    def __init__(
        self,
        *,
        store: "PasskeyStore",
        challenges: "Challenges",
        relying_party: "Callable[[], RelyingParty | None]",
        accounts: "Accounts",
        confirm: Callable[[Identity, PasswordProof], None],
        throttle: "Throttle",
        users: "Users",
    ) -> None:
        self._store = store
        self._challenges = challenges
        self._relying_party = relying_party
        self._accounts = accounts
        self._confirm = confirm
        self._throttle = throttle
        self._users = users

    def begin(self, identity: Identity, proof: PasswordProof) -> PasskeyOptions:
        """What to make a passkey with. Raises PasskeysOff, InvalidCredentials, RateLimited."""
        party = self._party()
        self._confirm(identity, proof)
        user = self._users.me(identity.user_id)
        options = party.creation(
            self._challenges.issue("register", identity.session_id),
            handle=UUID(user.id).bytes,
            username=user.username,
            name=user.display_name,
            known=self._store.credential_ids(user.id),
        )
        return PasskeyOptions(options=options)

    def add(self, identity: Identity, new: NewPasskey) -> PasskeyInfo:
        """Store a new passkey. The session must be the one that called `begin`. Its user gets a
        mail.

        Raises ValidationFailed unless it answers what `begin` asked, PasskeysOff, PasskeyKnown,
        TooManyPasskeys, UserNotFound.
        """
        party, answer = self._party(), new.credential
        try:
            challenge = self._asked(
                party, answer.response.client_data, "register", identity.session_id
            )
            made = party.registered(challenge, answer.standard())
            self._use(challenge)
        except Unacceptable:
            message = "This answer does not match the request. Start again."
            raise ValidationFailed([problem("credential", "not_an_answer", message)]) from None
        passkey = Passkey(new_id(), identity.user_id, *made)
        self._store.add(passkey, new.name, NOW)
        return PasskeyInfo(id=passkey.id, name=new.name, created_at=now(), last_used_at=None)

    def all(self, identity: Identity) -> PasskeyList:
        """The caller's passkeys, oldest first."""
        return PasskeyList(items=self._store.of(identity.user_id))

    def rename(self, identity: Identity, passkey_id: str, change: PasskeyName) -> PasskeyInfo:
        """Raises NotFound."""
        renamed = self._store.rename(identity.user_id, passkey_id, change.name)
        if renamed is None:
            raise NotFound()
        return renamed

    def remove(self, identity: Identity, passkey_id: str) -> None:
        """Remove one of the caller's passkeys. Raises NotFound."""
        if not self._store.remove(identity.user_id, passkey_id, NOW):
            raise NotFound()

    def begin_sign_in(self) -> PasskeyOptions:
        """A challenge for any passkey: the answer names its user. Raises PasskeysOff."""
        party = self._party()
        return PasskeyOptions(options=party.request(self._challenges.issue("sign_in")))

    def sign_in(self, given: PasskeySignIn, source: Source, terms: Terms = OURS) -> SignedIn:
        """Sign in by a passkey alone.

        Raises PasskeyInvalid for every wrong answer; AccountSuspended, only after a right one;
        PasskeysOff, RateLimited. Only wrong answers count against the address, so right ones never
        wait for others.
        """
        try:
            found = self._prove(given.credential, "sign_in")
        except PasskeyInvalid:
            self._throttle.passkey_guess(source.address)
            raise
        if found.suspended:
            raise AccountSuspended()
        return self._accounts.open_by_passkey(
            found.user_id, found.id, source, given.device_name, given.device_key, terms
        )

    def offer(self, user_id: str) -> dict[str, Any] | None:
        """A challenge for a user's passkeys, in place of a code; None if they have none."""
        known = self._store.credential_ids(user_id)
        party = self._relying_party() if known else None
        if party is None:
            return None
        return party.request(self._challenges.issue("second_factor", user_id), known)

    def check(self, user_id: str, answer: PasskeyAnswer) -> None:
        """Raises PasskeyInvalid unless a passkey of this user answers a challenge from `offer`;
        PasskeysOff."""
        self._prove(answer, "second_factor", user_id)

    def _prove(self, answer: PasskeyAnswer, purpose: "Purpose", owner: str = "") -> Passkey:
        """The passkey that answered. Without an `owner`, the answer must name its user."""
        party = self._party()
        try:
            challenge = self._asked(party, answer.response.client_data, purpose, owner)
            found = self._store.find(answer.credential_id)
            if found is None or (owner and found.user_id != owner):
                raise Unacceptable
            if answer.handle != UUID(found.user_id).bytes and not (owner and answer.handle is None):
                raise Unacceptable
            count = party.asserted(
                challenge, found.credential_id, found.public_key, answer.standard()
            )
            self._use(challenge)
        except Unacceptable:
            raise PasskeyInvalid() from None
        if not self._store.use(found.id, count, NOW):
            # The key was copied, or this answer is an old one (section 6.1.1).
            log.warning("passkey count went back", extra={"passkey_id": found.id})
            raise PasskeyInvalid()
        return found

    def _asked(
        self, party: "RelyingParty", client_data: str, purpose: "Purpose", owner: str
    ) -> bytes:
        """The challenge of an answer, if we made it for this purpose and owner."""
        challenge = party.challenge_in(client_data)
        if not self._challenges.good(challenge, purpose, owner):
            raise Unacceptable
        return challenge

    def _use(self, challenge: bytes) -> None:
        """Called only for a right answer: a wrong one writes nothing."""
        if not self._challenges.use(challenge):
            raise Unacceptable

    def _party(self) -> "RelyingParty":
        if (party := self._relying_party()) is None:
            raise PasskeysOff()
        return party
