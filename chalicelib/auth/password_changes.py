"""Changing a password."""

from typing import TYPE_CHECKING

from chalicelib.auth.confirmation import WRONG, Match
from chalicelib.auth.models import PasswordChange
from chalicelib.clock import NOW
from chalicelib.errors import InvalidCredentials
from chalicelib.identity import Identity

if TYPE_CHECKING:
    from chalicelib.auth.confirmation import Confirmation
    from chalicelib.auth.passwords import Passwords
    from chalicelib.auth.sessions.service import Auth
    from chalicelib.auth.store import AccountStore
    from chalicelib.users.profiles import Users


class PasswordChanges:
    """Raises Unavailable if a server does not answer."""

    def __init__(
        self,
        *,
        store: "AccountStore",
        passwords: "Passwords",
        confirmation: "Confirmation",
        auth: "Auth",
        users: "Users",
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._confirmation = confirmation
        self._auth = auth
        self._users = users

    def change(self, identity: Identity, change: PasswordChange) -> None:
        """Set a new password and end all other sessions.

        Raises InvalidCredentials unless the current one is right, ValidationFailed for a weak new
        one, what `Confirmation.check_second_factor` raises, RateLimited. A repeat completes what an
        outage interrupted.
        """
        ask = self._confirmation.asking(identity, change)

        def set_new(found: Match | None) -> list[str] | None:
            if found is None:
                raise InvalidCredentials(WRONG)
            # The new password is in force already: this request is a repeat, and sends no mail.
            if found.password != change.current_password:
                return self._auth.end_others(identity)
            user = self._users.me(identity.user_id)
            self._passwords.refuse_weak(change.new_password, user, field="new_password")
            ask()
            return self._store.change_password(
                identity.user_id,
                self._passwords.hash(change.new_password),
                checked=found.hash,
                but=identity.session_id,
                now=NOW,
            )

        ended = self._confirmation.with_password(
            identity, change.current_password, set_new, or_else=change.new_password
        )
        self._auth.close(identity.user_id, ended, "password_changed")
