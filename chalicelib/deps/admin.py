"""Builds administration."""

from functools import cached_property
from typing import TYPE_CHECKING

from chalicelib.deps.messages import MessagesDeps

if TYPE_CHECKING:
    from chalicelib.admin.service import Admin


class AdminDeps(MessagesDeps):
    @cached_property
    def admin(self) -> "Admin":
        from chalicelib.admin.service import Admin
        from chalicelib.admin.store import AdminStore

        return Admin(store=AdminStore(self.postgres), auth=self.auth, users=self.users)
