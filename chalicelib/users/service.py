"""Users: their profiles, and the devices that are pushed to."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, TypeVar

from chalicelib.auth.models import Identity
from chalicelib.errors import UserNotFound
from chalicelib.users.models import (
    Profile,
    ProfileChanges,
    PublicProfile,
    PushTargets,
    PushToken,
    UsersAnswer,
    Validity,
)
from chalicelib.wire import now

if TYPE_CHECKING:
    from chalicelib.users.store import UserStore

T = TypeVar("T")


class Users:
    """Methods that look for a user raise UserNotFound."""

    def __init__(self, *, store: "UserStore") -> None:
        self._store = store

    def me(self, user_id: str) -> Profile:
        """A user as they see themselves."""
        return _found(self._store.profile(user_id))

    def update(self, user_id: str, changes: ProfileChanges) -> Profile:
        """Change what was sent of a profile, and nothing else."""
        sent = changes.model_dump(include=changes.model_fields_set)
        return _found(self._store.update(user_id, sent)) if sent else self.me(user_id)

    def get(self, user_id: str) -> PublicProfile:
        """A user as others see them. A deleted one is shown as such: messages name them."""
        return _found(self._store.public(user_id))

    def named(self, username: str) -> PublicProfile:
        """The user of exactly this name. Deleted ones are not found."""
        return _found(self._store.named(username))

    def require(self, user_id: str) -> None:
        """Raises UserNotFound unless there is such a user who is not deleted."""
        if not self._store.exists(user_id):
            raise UserNotFound()

    def validate(self, user_ids: Sequence[str]) -> UsersAnswer:
        """Which users exist and are active: one round trip."""
        found = self._store.standing(user_ids)
        return UsersAnswer(
            items=[
                Validity(user_id=one, exists=one in found, active=found.get(one, False))
                for one in user_ids
            ]
        )

    def set_push_token(self, identity: Identity, device_id: str, push: PushToken) -> None:
        """Push to a device of the caller, until the session that asks ends."""
        self._store.add_push_token(identity.user_id, identity.session_id, device_id, push, now())

    def drop_push_token(self, identity: Identity, device_id: str) -> None:
        """Push no more to a device of the caller."""
        self._store.drop_push_token(identity.user_id, device_id)

    def forget_push_tokens(self, tokens: Collection[str]) -> None:
        """Forget tokens that FCM says are dead."""
        if tokens:
            self._store.drop_push_tokens(tokens)

    def push_targets(self, user_ids: Collection[str], sender_ids: Collection[str]) -> PushTargets:
        """The devices to push to, and the senders' display names: one round trip."""
        return self._store.push_targets(user_ids, sender_ids, now())


def _found(value: T | None) -> T:
    if value is None:
        raise UserNotFound()
    return value
