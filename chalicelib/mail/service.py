"""Sends the mails and notices in the outbox: at least once each. The number of attempts is
limited."""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

from chalicelib import metrics
from chalicelib.clock import NOW
from chalicelib.config import Settings
from chalicelib.errors import RateLimited, Unavailable
from chalicelib.mail import letters
from chalicelib.mail.models import Letter, Notice, QueuedMail
from chalicelib.mail.ses import MailRefused

if TYPE_CHECKING:
    from chalicelib.limits.guesses import Throttle
    from chalicelib.mail.notices import NoticeStore
    from chalicelib.mail.ses import Ses
    from chalicelib.mail.store import MailStore

log = logging.getLogger(__name__)

SECONDS = 40.0
"""After this time a run begins no more mails. The next run sends the rest."""

DELAYS = (60, 300, 1200, 3600, 10800)
"""Seconds from each failed attempt to the next. After the last one the mail is given up."""

BATCH = 20


class Mails:
    """The outbox has the kind of a mail; `letters` writes the text when it is sent.

    A notice beyond the limit waits and is never dropped. One mail then lists all that happened to
    the account. So nobody can hide a change from its owner by using up the limit.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        store: "MailStore",
        notices: "NoticeStore",
        ses: "Ses",
        throttle: "Throttle",
        letters: "Callable[[QueuedMail], Iterable[Letter]]",
    ) -> None:
        self._is_on = bool(settings.mail_from)
        self._store = store
        self._notices = notices
        self._ses = ses
        self._throttle = throttle
        self._letters = letters

    def send_due(self) -> None:
        """Send due mails. A mail that fails does not delay the others."""
        ends = time.monotonic() + SECONDS
        while time.monotonic() < ends:
            batch = self._store.claim(NOW, delays=DELAYS, limit=BATCH)
            for mail in batch:
                if time.monotonic() < ends:  # else it is due again after its delay
                    self._send(mail)
            told = self._tell_due(ends)
            if len(batch) < BATCH and told < BATCH:
                return

    def _send(self, mail: QueuedMail) -> None:
        if self._went(mail.kind, mail.tries, lambda: self._send_letters(mail)):
            self._store.remove(mail)

    def _send_letters(self, mail: QueuedMail) -> None:
        for letter in self._letters(mail):
            self._post(letter)

    def _tell_due(self, ends: float) -> int:
        """Send due notices, one mail for each account. Returns how many notices there were."""
        batch = self._notices.claim(NOW, delays=DELAYS, limit=BATCH)
        accounts: dict[tuple[str, str], list[Notice]] = defaultdict(list)
        for one in batch:
            accounts[one.user_id, one.address].append(one)
        for notices in accounts.values():
            if time.monotonic() < ends:
                self._tell(notices)
        return len(batch)

    def _tell(self, notices: list[Notice]) -> None:
        tries = min(one.tries for one in notices)  # so that each gets all of its attempts
        try:
            went = self._went("notice", tries, lambda: self._send_notices(notices))
        except RateLimited as error:
            wait = timedelta(seconds=error.details["retry_after"])
            self._notices.put_off(notices, NOW, wait)
            return
        if went:
            self._notices.remove(notices)

    def _send_notices(self, notices: list[Notice]) -> None:
        self._throttle.mail("notice", notices[0].address)
        self._post(letters.changes(notices))

    def _post(self, letter: Letter) -> None:
        self._ses.send(letter)
        metrics.count("MailsSent")

    def _went(self, kind: str, tries: int, send: Callable[[], None]) -> bool:
        """Try to send. True: the mail was sent or is given up. False: try it again later."""
        try:
            if self._is_on:
                send()
            else:
                log.warning("mail is off: MAIL_FROM is not set", extra={"kind": kind})
        except (MailRefused, Unavailable) as error:
            last = tries > len(DELAYS)
            cause = {"kind": kind, "tries": tries, "cause": _cause(error)}
            if not last:
                log.warning("mail put off", extra=cause)
                return False
            log.error("mail given up", extra=cause)
            metrics.count("MailsGivenUp")
        return True


def _cause(error: MailRefused | Unavailable) -> str:
    return error.dependency if isinstance(error, Unavailable) else str(error)
