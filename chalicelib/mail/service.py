"""Sends what waits in the outbox: at least once, a bounded number of times."""

import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from chalicelib import metrics
from chalicelib.config import Settings
from chalicelib.errors import RateLimited, Unavailable
from chalicelib.mail.models import Due
from chalicelib.mail.ses import MailRefused
from chalicelib.wire import now

if TYPE_CHECKING:
    from chalicelib.auth.recovery import Recovery
    from chalicelib.auth.throttle import Throttle
    from chalicelib.mail.ses import Ses
    from chalicelib.mail.store import MailStore

log = logging.getLogger(__name__)

SECONDS = 40.0
"""After this long no more mails are begun; the rest are for the next run."""

DELAYS = (60, 300, 1200, 3600, 10800)
"""Seconds from each failed try to the next. A mail that fails once more is given up."""

BATCH = 20


class Mails:
    """The outbox says what a mail is about; `recovery` writes it when it is sent."""

    def __init__(
        self,
        settings: Settings,
        *,
        store: "MailStore",
        ses: "Ses",
        throttle: "Throttle",
        recovery: "Recovery",
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._is_on = bool(settings.mail_from)
        self._store = store
        self._ses = ses
        self._throttle = throttle
        self._recovery = recovery
        self._clock = clock

    def send_due(self) -> None:
        """Send what is due. One that fails holds up nothing else."""
        ends = time.monotonic() + SECONDS
        while time.monotonic() < ends:
            batch = self._store.claim(self._clock(), delays=DELAYS, limit=BATCH)
            for mail in batch:
                if time.monotonic() < ends:  # else it comes again after its delay
                    self._send(mail)
            if len(batch) < BATCH:
                return

    def _send(self, mail: Due) -> None:
        try:
            if self._is_on:
                self._send_letters(mail)
            else:
                log.warning("mail is off: MAIL_FROM is not set", extra={"kind": mail.kind})
        except (MailRefused, Unavailable) as error:
            last = mail.tries > len(DELAYS)
            cause = {"kind": mail.kind, "tries": mail.tries, "cause": _cause(error)}
            if not last:
                log.warning("mail put off", extra=cause)
                return
            log.error("mail given up", extra=cause)
            metrics.count("MailsGivenUp")
        self._store.remove(mail)

    def _send_letters(self, mail: Due) -> None:
        for letter in self._recovery.letters(mail):
            try:
                self._throttle.mail(mail.kind, letter.to)
            except RateLimited:
                log.warning("too many mails to one address", extra={"kind": mail.kind})
                continue
            self._ses.send(letter)
            metrics.count("MailsSent")


def _cause(error: MailRefused | Unavailable) -> str:
    return error.dependency if isinstance(error, Unavailable) else str(error)
