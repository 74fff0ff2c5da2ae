"""What a mailbox proves: that an address is one's own, and that a forgotten password may be set."""

import hashlib
import secrets
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from chalicelib.auth.models import Client, Identity, PasswordReset
from chalicelib.config import Settings
from chalicelib.errors import LinkInvalid, ValidationFailed
from chalicelib.mail import letters
from chalicelib.mail.models import Due, Letter, Purpose
from chalicelib.wire import now

if TYPE_CHECKING:
    from chalicelib.auth.passwords import Passwords
    from chalicelib.auth.recovery_store import Recipient, RecoveryStore
    from chalicelib.auth.service import Auth
    from chalicelib.auth.throttle import Throttle
    from chalicelib.mail.store import MailStore
    from chalicelib.users.service import Users

GOOD_FOR: dict[Purpose, timedelta] = {
    "verify": timedelta(days=1),
    "reset": timedelta(minutes=30),
}


class Recovery:
    """Asking for a mail costs the same for every address: one row, which is looked into later.

    A link holds 256 random bits. They are made when the mail is written, and only their digest is
    kept. A newer mail to an account voids the older one's link.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        store: "RecoveryStore",
        mails: "MailStore",
        throttle: "Throttle",
        passwords: "Callable[[], Passwords]",
        auth: "Auth",
        users: "Users",
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._page = (settings.web_url or settings.issuer).rstrip("/") + "/"
        self._store = store
        self._mails = mails
        self._throttle = throttle
        self._passwords = passwords
        self._auth = auth
        self._users = users
        self._clock = clock

    def request_verification(self, identity: Identity) -> None:
        """Have a link mailed to the caller's address, unless it is verified."""
        if not self._users.me(identity.user_id).email_verified:
            self._mails.add("verify", identity.user_id, self._clock())

    def verify(self, identity: Identity, token: str) -> None:
        """Know the address of the caller for theirs. Safe to repeat. Raises LinkInvalid.

        The link alone is not enough: a stranger may have registered with this address, and whoever
        has the mailbox must not give it to the stranger's account by following a link.
        """
        if self._users.me(identity.user_id).email_verified:
            return
        if not self._store.verify(identity.user_id, _digest(token), self._clock()):
            raise LinkInvalid()

    def request_reset(self, address: str, client: Client) -> None:
        """Have a link mailed to whoever has this address, if anybody. Raises RateLimited, by where
        the request comes from alone."""
        self._throttle.reset(client.address)
        self._mails.add("reset", address, self._clock())

    def reset(self, reset: PasswordReset, client: Client) -> None:
        """Set a new password and end all sessions. A second factor stays what it was.

        Raises LinkInvalid, ValidationFailed for a weak password, RateLimited. A repeat completes
        what an outage cut short.
        """
        self._throttle.reset(client.address)
        digest, passwords = _digest(reset.token), self._passwords()
        found = self._store.reset(digest, self._clock())
        if found is None:
            raise LinkInvalid()
        if found.used:
            if not passwords.verify(found.password_hash, reset.new_password):
                raise LinkInvalid()
            self._auth.close(found.user_id, self._auth.end_all(found.user_id))
            return
        user = self._users.me(found.user_id)
        names = [user.username, user.email, user.email.partition("@")[0]]
        if (weakness := passwords.weakness(reset.new_password, names=names)) is not None:
            raise ValidationFailed([{"field": "new_password", "message": weakness}])
        new_hash = passwords.hash(reset.new_password)
        ended = self._store.reset_password(digest, new_hash, self._clock())
        if ended is None:
            raise LinkInvalid()
        self._auth.close(found.user_id, ended)
        self._throttle.forgive(found.user_id, [user.username, user.email], client.address)

    def letters(self, mail: Due) -> Iterator[Letter]:
        """What is to be said about a row of the outbox, and to whom; often nothing."""
        if mail.kind == "verify":
            recipient = self._store.recipient(mail.subject)
            if recipient is not None and not recipient.verified:
                yield self._verification(recipient)
        elif mail.kind == "reset":
            for recipient in self._store.owners(mail.subject):
                link = self._link(recipient, "reset")
                yield letters.password_reset(
                    recipient.address, username=recipient.username, link=link
                )
        elif mail.kind == "google":
            recipient = self._store.recipient(mail.subject)
            if recipient is not None and recipient.verified:
                yield letters.google_linked(recipient.address, username=recipient.username)
        elif mail.kind == "export":
            recipient = self._store.recipient(mail.subject)
            if recipient is not None and recipient.verified:
                yield letters.export_ready(recipient.address, username=recipient.username)
        elif mail.kind == "passkey":
            if (added := self._store.passkey(mail.subject)) is not None:
                yield letters.passkey_added(added.address, username=added.username, at=added.at)
        elif (found := self._store.sign_in(mail.subject)) is not None:
            yield letters.signed_in(
                found.address, username=found.username, at=found.at, user_agent=found.user_agent
            )

    def purge(self) -> int:
        """Delete tokens that have expired; answers how many."""
        return self._store.purge(self._clock())

    def _verification(self, recipient: "Recipient") -> Letter:
        address, username = recipient.address, recipient.username
        if recipient.taken:
            return letters.address_in_use(address, username=username)
        link = self._link(recipient, "verify")
        return letters.verification(address, username=username, link=link)

    def _link(self, recipient: "Recipient", purpose: Purpose) -> str:
        """In the fragment, which browsers send to no server."""
        token = secrets.token_urlsafe(32)
        expires_at = self._clock() + GOOD_FOR[purpose]
        self._store.keep_token(recipient, purpose, _digest(token), expires_at)
        return f"{self._page}#{purpose}={token}"


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
