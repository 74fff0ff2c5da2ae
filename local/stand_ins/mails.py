"""The mails that people would find in their mailboxes, newest first."""

from collections import deque
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

MAX_KEPT = 1000


@dataclass(frozen=True)
class Mail:
    """A mail that was taken."""

    id: int
    sender: str
    to: str
    subject: str
    text: str
    received_at: str


class Mails:
    """The last thousand mails, in memory."""

    def __init__(self, limit: int = MAX_KEPT) -> None:
        self._kept: deque[Mail] = deque(maxlen=limit)
        self._last_id = 0

    def add(self, *, sender: str, to: str, subject: str, text: str) -> Mail:
        """Keep a mail."""
        self._last_id += 1
        received_at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        mail = Mail(self._last_id, sender, to, subject, text, received_at)
        self._kept.append(mail)
        return mail

    def after(self, mail_id: int) -> list[dict[str, Any]]:
        """Those received after the one with this id, newest first."""
        return [asdict(mail) for mail in reversed(self._kept) if mail.id > mail_id]

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()
