"""The notifications that phones would show, newest first."""

from collections import OrderedDict
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

MAX_KEPT = 1000


@dataclass
class Push:
    """One notification. `count` says how often it was received: a phone shows it once."""

    id: int
    token: str
    title: str | None
    body: str | None
    data: dict[str, str]
    collapse_key: str | None
    received_at: str
    count: int = 1


class Pushes:
    """The last thousand notifications, in memory."""

    def __init__(self, limit: int = MAX_KEPT) -> None:
        self._limit = limit
        self._kept: OrderedDict[object, Push] = OrderedDict()
        self._last_id = 0

    def add(self, message: dict[str, Any]) -> Push:
        """Keep an FCM message, in place of one with the same collapse key on the same device."""
        self._last_id += 1
        shown = message.get("notification") or {}
        push = Push(
            id=self._last_id,
            token=_device(message),
            title=shown.get("title"),
            body=shown.get("body"),
            data=message.get("data") or {},
            collapse_key=_collapse_key(message),
            received_at=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        )
        key: object = (push.token, push.collapse_key) if push.collapse_key else push.id
        if (earlier := self._kept.pop(key, None)) is not None:
            push.count = earlier.count + 1
        self._kept[key] = push
        if len(self._kept) > self._limit:
            self._kept.popitem(last=False)
        return push

    def after(self, push_id: int) -> list[dict[str, Any]]:
        """Those received after the one with this id, newest first."""
        return [asdict(push) for push in reversed(self._kept.values()) if push.id > push_id]

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()


def _device(message: dict[str, Any]) -> str:
    return str(message.get("token") or message.get("fid"))


def _collapse_key(message: dict[str, Any]) -> str | None:
    """By what Android, Apple and browsers replace a notification with a newer one."""
    android = message.get("android") or {}
    apns = (message.get("apns") or {}).get("headers") or {}
    web = (message.get("webpush") or {}).get("headers") or {}
    candidates = (
        android.get("collapse_key") or android.get("collapseKey"),
        (android.get("notification") or {}).get("tag"),
        apns.get("apns-collapse-id"),
        web.get("Topic"),
    )
    return next((str(key) for key in candidates if key), None)
