"""Builds the stores of mails and notices. `AuthDeps` builds the object that sends them."""

from functools import cached_property
from typing import TYPE_CHECKING

from chalicelib.deps.users import UsersDeps

if TYPE_CHECKING:
    from chalicelib.mail.notices import NoticeStore
    from chalicelib.mail.store import MailStore


class MailDeps(UsersDeps):
    @cached_property
    def mail_store(self) -> "MailStore":
        from chalicelib.mail.store import MailStore

        return MailStore(self.postgres)

    @cached_property
    def notice_store(self) -> "NoticeStore":
        from chalicelib.mail.notices import NoticeStore

        return NoticeStore(self.postgres)
