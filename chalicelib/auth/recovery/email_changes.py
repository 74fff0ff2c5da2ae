"""Changes of e-mail addresses: the password asks for one, a mailed link proves the new address."""

import hashlib
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from chalicelib.auth.recovery.models import EMAIL_CHANGED, EmailChange, EmailChanged
from chalicelib.clock import NOW
from chalicelib.errors import LinkInvalid, Unavailable
from chalicelib.identity import Identity

if TYPE_CHECKING:
    from chalicelib.auth.confirmation import Confirmation
    from chalicelib.auth.recovery.email_store import EmailStore
    from chalicelib.limits.guesses import Throttle
    from chalicelib.live.gateway import Gateway
    from chalicelib.users.profiles import Users

log = logging.getLogger(__name__)

GOOD_FOR = timedelta(days=1)
"""How long the link of a change works."""

MARK = "change-"
"""The prefix of the token in a link that proves a new address."""


class EmailChanges:
    """Until a link that was mailed to it is followed, the new address has no effect: it cannot be
    used to sign in, and gets no notices and no reset mails."""

    def __init__(
        self,
        *,
        store: "EmailStore",
        confirmation: "Confirmation",
        throttle: "Throttle",
        users: "Users",
        sockets: "Gateway",
    ) -> None:
        self._store = store
        self._confirmation = confirmation
        self._throttle = throttle
        self._users = users
        self._sockets = sockets

    def ask(self, identity: Identity, change: EmailChange) -> None:
        """Queue a link to the new address, and a notice to the current one if it is verified. An
        earlier change that is not complete ends. Safe to repeat.

        The answer is the same if another account has the address. Raises InvalidCredentials unless
        it is the caller's password, what `Confirmation.check_second_factor`
        raises, and RateLimited.
        """
        self._confirmation.do_with(
            identity,
            change,
            lambda checked: self._store.ask(
                identity.user_id, change.email, checked=checked, good_for=GOOD_FOR, now=NOW
            ),
        )

    def complete(self, identity: Identity, token: str) -> None:
        """Give the caller's account the address that a link was mailed to. Safe to repeat. Raises
        LinkInvalid.

        The link alone is not enough, as with a first address: the owner of a mailbox must not
        give it to a stranger's account by following a link.
        """
        user_id, digest = identity.user_id, hashlib.sha256(token.encode()).digest()
        used = self._store.used(user_id, digest, NOW)
        if used is None:
            raise LinkInvalid()
        if used:
            return
        # First, while the names under which the devices are stored are known.
        self._throttle.forget_login(self._users.me(user_id).email)
        with self._users.changing(user_id):
            if not self._store.complete(user_id, digest, NOW):
                raise LinkInvalid()
        self._announce(user_id)

    def _announce(self, user_id: str) -> None:
        """Tell the user's open sockets; best effort."""
        changed = EmailChanged(email=self._users.me(user_id).email)
        try:
            self._sockets.tell([user_id], EMAIL_CHANGED.of(changed))
        except Unavailable as error:
            log.warning("changed address not told", extra={"dependency": error.dependency})
