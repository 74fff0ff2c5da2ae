"""What exports are made of, in memory."""

from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta
from typing import IO, Any, Literal

from chalicelib.clock import Now, Time
from chalicelib.drivers.s3 import S3Bucket
from chalicelib.errors import Unavailable
from chalicelib.exports.links import ExportLinks
from chalicelib.exports.models import EVERY, LEASE, Export, Task
from chalicelib.exports.store import ExportStore
from chalicelib.identity import Identity
from chalicelib.wire import now

Row = dict[str, Any]


class FakeExportStore(ExportStore):
    """Tested by tests/contract/exports/test_exports.py. `mailed`: users who are to get a mail."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.accounts: dict[str, dict[str, list[Row]]] = {}
        self.mailed: set[str] = set()
        self.clock: Callable[[], datetime] = now

    def at(self, now: Time) -> datetime:
        """What `now` stands for."""
        return self.clock() if isinstance(now, Now) else now

    def request(self, user_id: str, export_id: str, key: str, now: Time) -> Export | None:
        now = self.at(now)
        if user_id not in self.accounts:
            return None
        for row in self._of(user_id):
            if row["state"] == "waiting" or (
                row["state"] == "ready" and row["created_at"] > now - EVERY
            ):
                return _export(row)
        for row in self._of(user_id):
            row |= {"state": "doomed", "due_at": now}
        self.rows[export_id] = {
            "id": export_id,
            "user_id": user_id,
            "state": "waiting",
            "key": key,
            "tries": 0,
            "created_at": now,
            "ready_at": None,
            "expires_at": None,
            "size": None,
            "due_at": now,
        }
        return _export(self.rows[export_id])

    def latest(self, user_id: str, now: Time) -> tuple[Export, str] | None:
        now = self.at(now)
        for row in self._of(user_id):
            if row["expires_at"] is None or row["expires_at"] > now:
                return _export(row), row["key"]
        return None

    def claim(self, now: Time, *, lease: timedelta) -> Task | None:
        now = self.at(now)
        due = [row for row in self.rows.values() if row["due_at"] <= now]
        if not due:
            return None
        row = min(due, key=lambda one: (one["due_at"], one["id"]))
        row |= {"tries": row["tries"] + 1, "due_at": now + lease}
        return Task(**{name: row[name] for name in Task._fields})

    def finish(self, task: Task, *, size: int, now: Time, kept: timedelta) -> bool:
        now = self.at(now)
        expires_at = now + kept
        done = {"state": "ready", "size": size, "ready_at": now, "expires_at": expires_at}
        if not self._settled(task, {**done, "due_at": expires_at, "tries": 0}):
            return False
        self.mailed.add(task.user_id)
        return True

    def put_off(self, task: Task, now: Time, wait: timedelta) -> None:
        self._settled(task, {"due_at": self.at(now) + wait})

    def fail(self, task: Task, now: Time, kept: timedelta) -> None:
        self._settled(task, {"state": "failed", "due_at": self.at(now) + kept})

    def remove(self, task: Task) -> None:
        self.rows.pop(task.id, None)

    def erase(self, user_id: str, now: Time) -> None:
        """What deleting the account does."""
        now = self.at(now)
        self.accounts.pop(user_id, None)
        for row in self._of(user_id):
            leased = row["state"] == "waiting" and row["tries"]
            due_at = min(row["due_at"], now + LEASE) if leased else now
            row |= {"state": "doomed", "due_at": due_at}

    def _of(self, user_id: str) -> list[Row]:
        rows = self.rows.values()
        return [row for row in rows if row["user_id"] == user_id and row["state"] != "doomed"]

    def _settled(self, task: Task, changes: Row) -> bool:
        row = self.rows.get(task.id)
        if row is None or (row["state"], row["tries"]) != ("waiting", task.tries):
            return False
        row |= changes
        return True


class FakeHeld:
    """What the tables hold about users."""

    def __init__(self, accounts: dict[str, dict[str, list[Row]]]) -> None:
        self.accounts = accounts

    def account(self, user_id: str) -> dict[str, list[Row]] | None:
        return self.accounts.get(user_id)

    def audit(self, user_id: str) -> Iterator[Row]:
        yield from ()

    def names(self, user_ids: Collection[str]) -> dict[str, Row]:
        return {one: {"username": f"u{one[:4]}", "display_name": "Someone"} for one in user_ids}


class FakeExportLinks(ExportLinks):
    """Remembers for ever."""

    def __init__(self) -> None:
        self._issued: dict[str, Identity] = {}

    def issue(self, identity: Identity) -> str:
        ticket = f"ticket{len(self._issued)}"
        self._issued[ticket] = identity
        return ticket

    def holder(self, ticket: str) -> Identity | None:
        return self._issued.get(ticket)


class FakeBucket(S3Bucket):
    """Holds `files` by key. While `down`, nothing answers."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.down = False
        self.is_named = True

    @property
    def is_there(self) -> bool:
        return self.is_named

    def put(self, key: str, file: IO[bytes], size: int) -> None:
        self._answer()
        self.files[key] = file.read()
        assert len(self.files[key]) == size

    def delete(self, key: str) -> None:
        self._answer()
        self.files.pop(key, None)

    def link(self, key: str, *, name: str, seconds: int) -> str:
        return f"https://s3/{key}?name={name}&seconds={seconds}"

    def _answer(self) -> None:
        if self.down:
            raise Unavailable("s3")


def _export(row: Row) -> Export:
    status: Literal["waiting", "ready", "failed"] = row["state"]
    return Export.model_validate({**row, "status": status})
