"""Turns pushes to devices on and off, and finds the devices to push to."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from chalicelib.clock import NOW
from chalicelib.identity import Identity
from chalicelib.users.device_models import PushTargets, PushToken

if TYPE_CHECKING:
    from chalicelib.users.device_store import DeviceStore
    from chalicelib.users.profiles import Users


class Devices:
    """The devices of users that are pushed to."""

    def __init__(self, *, store: "DeviceStore", users: "Users") -> None:
        self._store = store
        self._users = users

    def set_push_token(self, identity: Identity, device_id: str, push: PushToken) -> None:
        """Push to a device of the caller, until the session that asks ends."""
        self._store.add_push_token(identity.user_id, identity.session_id, device_id, push, NOW)

    def drop_push_token(self, identity: Identity, device_id: str) -> None:
        """Stop pushes to a device of the caller."""
        self._store.drop_push_token(identity.user_id, device_id)

    def forget_push_tokens(self, tokens: Collection[str]) -> None:
        """Delete tokens that FCM no longer knows."""
        if tokens:
            self._store.drop_push_tokens(tokens)

    def push_targets(self, user_ids: Collection[str], sender_ids: Collection[str]) -> PushTargets:
        """The devices to push to, and the senders' display names."""
        targets = self._store.push_targets(user_ids, NOW)
        return PushTargets(targets=targets, names=self._users.names(sender_ids))
