"""Mailed links: they verify an address, or set a new password."""

import hashlib
import logging
import secrets
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from chalicelib.auth.recovery.email_changes import GOOD_FOR as GOOD_FOR_CHANGE
from chalicelib.auth.recovery.email_changes import MARK
from chalicelib.auth.recovery.models import PasswordReset, ResetRequest
from chalicelib.clock import NOW, Time
from chalicelib.config import Settings
from chalicelib.errors import LinkInvalid, RateLimited
from chalicelib.identity import Identity, Source
from chalicelib.mail import letters
from chalicelib.mail.models import Kind, Letter, Purpose, QueuedMail

if TYPE_CHECKING:
    from chalicelib.auth.passwords import Passwords
    from chalicelib.auth.recovery.email_changes import EmailChanges
    from chalicelib.auth.recovery.email_store import EmailStore
    from chalicelib.auth.recovery.store import Recipient, RecoveryStore
    from chalicelib.auth.sessions.service import Auth
    from chalicelib.limits.guesses import Throttle
    from chalicelib.users.profiles import Users

log = logging.getLogger(__name__)

GOOD_FOR: dict[Purpose, timedelta] = {
    "verify": timedelta(days=1),
    "reset": timedelta(minutes=30),
    "change": GOOD_FOR_CHANGE,
}

_FORMS: dict[Purpose, tuple[str, str]] = {
    "verify": ("verify", ""),
    "reset": ("reset", ""),
    "change": ("verify", MARK),
}
"""By purpose: the text before the = of a link, and the prefix of its token."""


FRESH = timedelta(minutes=10)
"""For this time after a link was mailed, the account gets no other link for the same purpose. The
link works for longer, so a user who asks again still has one that works."""


class Recovery:
    """Asking for a mail costs the same for every address: one row, which a job reads later.

    A link holds 256 random bits. They are made when the mail is written, and only their digest is
    kept. A newer link does not end the older ones. No link is mailed while the last one is FRESH.
    `queue`: MailStore.add.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        store: "RecoveryStore",
        queue: Callable[[Kind, str, Time], None],
        throttle: "Throttle",
        passwords: "Callable[[], Passwords]",
        auth: "Auth",
        users: "Users",
        changes: "Callable[[], EmailChanges]",
        wanted: "EmailStore",
    ) -> None:
        self._page = (settings.web_url or settings.issuer).rstrip("/") + "/"
        self._store = store
        self._queue = queue
        self._throttle = throttle
        self._passwords = passwords
        self._auth = auth
        self._users = users
        self._changes = changes
        self._wanted = wanted
        self._writers: dict[Kind, Callable[[str], Iterator[Letter]]] = {
            "verify": self._verification,
            "reset": self._resets,
            "export": self._export_ready,
            "change": self._change,
        }

    def request_verification(self, identity: Identity) -> None:
        """Queue a link to the caller's address, unless it is verified."""
        if not self._users.me(identity.user_id).email_verified:
            self._queue("verify", identity.user_id, NOW)

    def verify(self, identity: Identity, token: str) -> None:
        """Note that the caller's address is theirs. A link to a new address makes that theirs. Safe
        to repeat. Raises LinkInvalid.

        The link alone is not enough: a stranger may have registered with this address, and the
        mailbox's owner must not verify it for the stranger's account by following a link.
        """
        if token.startswith(MARK):
            self._changes().complete(identity, token)
        elif not (
            self._users.me(identity.user_id).email_verified
            or self._store.verify(identity.user_id, _digest(token), NOW)
        ):
            raise LinkInvalid()

    def request_reset(self, asked: ResetRequest, source: Source) -> None:
        """Queue a link to the owner of this address, if there is one. Raises RateLimited, only by
        the network address that the request comes from."""
        self._throttle.reset(source.address)
        subject = f"{asked.email} {asked.username}" if asked.username else asked.email
        self._queue("reset", subject, NOW)

    def reset(self, reset: PasswordReset, source: Source) -> None:
        """Set a new password and end all sessions. A second factor stays.

        Raises LinkInvalid, ValidationFailed for a weak password, RateLimited. A repeat completes
        what an outage interrupted.
        """
        digest, passwords = _digest(reset.token), self._passwords()
        found = self._store.reset(digest, NOW)
        if found is None:  # only wrong links count, so strangers cannot block a right one
            self._throttle.reset(source.address)
            raise LinkInvalid()
        if found.used:
            if not passwords.verify(found.password_hash, reset.new_password):
                raise LinkInvalid()
            others = self._auth.end_all(found.user_id)
            self._auth.close(found.user_id, others, "password_changed")
            return
        user = self._users.me(found.user_id)
        passwords.refuse_weak(reset.new_password, user, field="new_password")
        new_hash = passwords.hash(reset.new_password)
        ended = self._store.reset_password(digest, new_hash, NOW)
        if ended is None:
            raise LinkInvalid()
        self._auth.close(found.user_id, ended, "password_changed")
        self._throttle.forgive(found.user_id, [user.username, user.email], source.address)

    def letters(self, mail: QueuedMail) -> Iterator[Letter]:
        """The letters for a row of the outbox; often none. The caller sends each one before it asks
        for the next: then the link is marked as mailed."""
        if write := self._writers.get(mail.kind):
            yield from write(mail.subject)
        else:
            log.warning("unknown kind of mail", extra={"kind": mail.kind})

    def purge(self) -> int:
        """Delete tokens that have expired; answers how many."""
        return self._store.purge(NOW)

    def _verification(self, user_id: str) -> Iterator[Letter]:
        recipient = self._store.recipient(user_id)
        if recipient is not None and not recipient.verified:
            yield from self._proof_of(recipient, "verify", letters.verification)

    def _change(self, user_id: str) -> Iterator[Letter]:
        candidate = self._wanted.candidate(user_id, NOW)
        if candidate is not None:
            yield from self._proof_of(candidate, "change", letters.change_of_address)

    def _proof_of(
        self, recipient: "Recipient", purpose: Purpose, letter: Callable[..., Letter]
    ) -> Iterator[Letter]:
        """A letter with a link that proves an address. If another account has the address, a letter
        that tells its owner so."""
        address, username = recipient.address, recipient.username
        if recipient.taken:
            if self._may_mail(recipient):
                yield letters.address_in_use(address, username=username)
            return
        write = partial(letter, address, username=username)
        yield from self._with_link(recipient, purpose, write)

    def _resets(self, subject: str) -> Iterator[Letter]:
        address, _, username = subject.partition(" ")
        for one in self._store.owners(address, username or None):
            write = partial(letters.password_reset, one.address, username=one.username)
            yield from self._with_link(one, "reset", write)

    def _export_ready(self, user_id: str) -> Iterator[Letter]:
        recipient = self._store.recipient(user_id)
        if recipient is not None and recipient.verified:
            yield letters.export_ready(recipient.address, username=recipient.username)

    def _with_link(
        self, recipient: "Recipient", purpose: Purpose, write: Callable[..., Letter]
    ) -> Iterator[Letter]:
        """A letter with a new link, unless there is a fresh one. Limits are checked first, so that
        no link is stored that is not mailed."""
        if self._store.has_link(recipient.user_id, purpose, fresh=FRESH, now=NOW):
            return
        if not self._may_mail(recipient):
            return
        fragment, mark = _FORMS[purpose]
        token = mark + secrets.token_urlsafe(32)
        digest, good_for = _digest(token), GOOD_FOR[purpose]
        if not self._store.keep_link(
            recipient, purpose, digest, good_for=good_for, fresh=FRESH, now=NOW
        ):
            return
        # In the fragment, which browsers send to no server.
        yield write(link=f"{self._page}#{fragment}={token}")
        self._store.link_sent(digest, NOW)

    def _may_mail(self, recipient: "Recipient") -> bool:
        """All accounts that claim an address, except the first, share one limit for mails to it."""
        if recipient.first:
            return True
        try:
            self._throttle.mail("claims", recipient.address)
        except RateLimited:
            log.warning("too many accounts claim an address")
            return False
        return True


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
