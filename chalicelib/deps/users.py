"""Builds profiles and devices."""

from functools import cached_property
from typing import TYPE_CHECKING

from chalicelib.deps.core import CoreDeps

if TYPE_CHECKING:
    from chalicelib.users.names import ReservedNames
    from chalicelib.users.service import Users


class UsersDeps(CoreDeps):
    @cached_property
    def users(self) -> "Users":
        from chalicelib.users.cache import ProfileCache
        from chalicelib.users.service import Users
        from chalicelib.users.store import UserStore

        return Users(
            store=UserStore(self.postgres),
            cache=ProfileCache(self.redis),
            names=self.later(UsersDeps.reserved_names),
        )

    @cached_property
    def reserved_names(self) -> "ReservedNames":
        from chalicelib.users.names import ReservedNames

        return ReservedNames(self.settings.brands)
