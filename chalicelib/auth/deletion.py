"""Deleting an account."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from chalicelib.auth.models import PasswordProof
from chalicelib.clock import NOW, Time
from chalicelib.errors import UserNotFound
from chalicelib.identity import Identity

if TYPE_CHECKING:
    from chalicelib.auth.confirmation import Confirmation, Match
    from chalicelib.auth.sessions.service import Auth
    from chalicelib.limits.guesses import Throttle
    from chalicelib.users.profiles import Users


class Erases(Protocol):
    """Deletes a user's data in the tables: PersonalData.erase."""

    def __call__(self, user_id: str, now: Time, *, checked: str | None) -> list[str] | None: ...


class Deletion:
    """Raises Unavailable if a server does not answer. `erase` deletes from the tables of all
    features; `forget_presence` deletes the time when the user was last online."""

    def __init__(
        self,
        *,
        erase: Erases,
        throttle: "Throttle",
        confirmation: "Confirmation",
        auth: "Auth",
        users: "Users",
        forget_presence: Callable[[str], None],
    ) -> None:
        self._erase = erase
        self._throttle = throttle
        self._confirmation = confirmation
        self._auth = auth
        self._users = users
        self._forget_presence = forget_presence

    def delete(self, identity: Identity, proof: PasswordProof) -> None:
        """Delete the account and end its sessions. Messages stay, as from a deleted user;
        docs/personal-data.md lists what else stays.

        Raises what `Confirmation.confirm` does, LastAdmin, RateLimited. A repeat completes what an
        outage interrupted.
        """
        ask = self._confirmation.asking(identity, proof)

        def erase(found: "Match | None") -> list[str] | None:
            if found is not None:
                ask()
            # First, while the names under which the devices are stored are known.
            self._throttle.forget(identity.user_id, self._logins(identity.user_id))
            with self._users.changing(identity.user_id):
                checked = found.hash if found else None
                return self._erase(identity.user_id, NOW, checked=checked)

        ended = self._confirmation.with_password(identity, proof.password, erase)
        try:
            self._auth.close(identity.user_id, ended, "account_deleted")
        finally:  # only the answer can be lost, and a repeat is refused
            self._forget_presence(identity.user_id)

    def _logins(self, user_id: str) -> list[str]:
        """The names that a user signs in with; none if the account is deleted."""
        try:
            user = self._users.me(user_id)
        except UserNotFound:
            return []
        return [user.username, user.email]
