"""Builds profiles and devices."""

from functools import cached_property
from typing import TYPE_CHECKING

from chalicelib.deps.core import CoreDeps

if TYPE_CHECKING:
    from chalicelib.users.devices import Devices
    from chalicelib.users.names import ReservedNames
    from chalicelib.users.profiles import Users


class UsersDeps(CoreDeps):
    @cached_property
    def users(self) -> "Users":
        from chalicelib.auth.sql import pending_email
        from chalicelib.users.cache import ProfileCache
        from chalicelib.users.profile_store import UserStore
        from chalicelib.users.profiles import Users

        return Users(
            store=UserStore(self.postgres, pending_email),
            cache=ProfileCache(self.redis),
            names=self.later(UsersDeps.reserved_names),
        )

    @cached_property
    def devices(self) -> "Devices":
        from chalicelib.auth.sql import OF_DEVICES
        from chalicelib.users.device_store import DeviceStore
        from chalicelib.users.devices import Devices

        return Devices(store=DeviceStore(self.postgres, OF_DEVICES), users=self.users)

    @cached_property
    def reserved_names(self) -> "ReservedNames":
        from chalicelib.users.names import ReservedNames

        return ReservedNames(self.settings.brands)
