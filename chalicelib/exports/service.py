"""Exports: one for each user, made by a job, fetched with the password."""

import logging
import math
import secrets
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from chalicelib import metrics
from chalicelib.auth.models import PasswordProof
from chalicelib.clock import NOW
from chalicelib.errors import ExportNotFound, Unavailable, UserNotFound
from chalicelib.errors.counted import rate_limited, unavailable
from chalicelib.exports.archive import NotWritten
from chalicelib.exports.models import EVERY, KEPT, LEASE, LINK, OPEN, Export, ExportLink, Task
from chalicelib.identity import Identity
from chalicelib.ids import new_id
from chalicelib.wire import now

if TYPE_CHECKING:
    from chalicelib.drivers.s3 import S3Bucket
    from chalicelib.exports.archive import Archive
    from chalicelib.exports.links import ExportLinks
    from chalicelib.exports.store import ExportStore

log = logging.getLogger(__name__)

SECONDS = 40.0
"""After this time a run begins no more archives."""

WRITE_SECONDS = 600.0
"""Seconds for writing one archive. Together with SECONDS and the upload it is less than the
function's timeout."""

DELAYS = (60, 300, 1200, 3600)
"""Seconds from each failed attempt to the next. After the last one the archive is given up."""

NAME = "parley-export.zip"


class Exports:
    """The archive and each link to it need the password, so a stolen access token gets neither
    (docs/decisions/0020). `stands`: whether a session is valid."""

    def __init__(
        self,
        *,
        store: "ExportStore",
        bucket: "S3Bucket",
        archive: "Callable[[], Archive]",
        confirm: Callable[[Identity, PasswordProof], None],
        links: "Callable[[], ExportLinks]",
        stands: Callable[[Identity], bool],
        url: str,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._store = store
        self._bucket = bucket
        self._archive = archive
        self._confirm = confirm
        self._links = links
        self._stands = stands
        self._url = url
        self._clock = clock  # for times that are only displayed

    def request(self, identity: Identity, proof: PasswordProof) -> Export:
        """Queue an archive. While one is being made, returns that one.

        Raises what `Confirmation.confirm` does, RateLimited within a day of the last, UserNotFound,
        Unavailable also if the stage has no bucket.
        """
        if not self._bucket.is_there:
            raise unavailable("s3")
        self._confirm(identity, proof)
        key = f"exports/{secrets.token_urlsafe(32)}.zip"
        export = self._store.request(identity.user_id, new_id(), key, NOW)
        if export is None:
            raise UserNotFound()
        if export.status == "ready":
            wait = export.created_at + EVERY - self._clock()
            raise rate_limited(math.ceil(wait.total_seconds()))
        return export

    def latest(self, identity: Identity) -> Export:
        """The caller's export. Raises ExportNotFound."""
        return self._latest(identity)[0]

    def link(self, identity: Identity, proof: PasswordProof) -> ExportLink:
        """A new link to the caller's archive. Raises what `Confirmation.confirm` does, and
        ExportNotFound if none is ready."""
        self._confirm(identity, proof)
        self._ready(identity)
        url = f"{self._url}?ticket={self._links().issue(identity)}"
        return ExportLink(url=url, expires_at=self._clock() + LINK)

    def open(self, ticket: str) -> str:
        """The URL that a link leads to. Raises ExportNotFound, also if the session that asked for
        the link has ended: its user signed out, was suspended, or deleted the account."""
        identity = self._links().holder(ticket)
        if identity is None or not self._stands(identity):
            raise ExportNotFound()
        return self._bucket.link(
            self._ready(identity), name=NAME, seconds=int(OPEN.total_seconds())
        )

    def work(self) -> None:
        """Make and delete the archives that are due, one after the other."""
        ends = time.monotonic() + SECONDS
        while time.monotonic() < ends:
            task = self._store.claim(NOW, lease=LEASE)
            if task is None:
                return
            try:
                self._do(task)
            except (NotWritten, Unavailable) as error:
                self._put_off(task, error)

    def _latest(self, identity: Identity) -> tuple[Export, str]:
        found = self._store.latest(identity.user_id, NOW)
        if found is None:
            raise ExportNotFound()
        return found

    def _ready(self, identity: Identity) -> str:
        """The key of the archive, if it is ready."""
        export, key = self._latest(identity)
        if export.status != "ready":
            raise ExportNotFound()
        return key

    def _do(self, task: Task) -> None:
        if task.state == "waiting" and task.tries <= len(DELAYS) + 1:
            self._make(task)
        elif task.state == "waiting":  # each function that worked on it was killed
            self._give_up(task, "killed")
        else:
            self._bucket.delete(task.key)
            self._store.remove(task)

    def _make(self, task: Task) -> None:
        with TemporaryFile() as file:
            self._archive().write(task.user_id, file, seconds=WRITE_SECONDS)
            size = file.tell()
            file.seek(0)
            self._bucket.put(task.key, file, size)
        if self._store.finish(task, size=size, now=NOW, kept=KEPT):
            log.info("export made", extra={"bytes": size, "tries": task.tries})
            metrics.count("ExportsMade")
        else:  # the account was deleted; the row is claimed again after the lease
            self._bucket.delete(task.key)

    def _put_off(self, task: Task, error: NotWritten | Unavailable) -> None:
        cause = error.dependency if isinstance(error, Unavailable) else str(error)
        if task.state != "waiting":
            log.warning("archive not deleted yet", extra={"cause": cause, "tries": task.tries})
        elif task.tries > len(DELAYS):
            self._give_up(task, cause)
        else:
            log.warning("export put off", extra={"cause": cause, "tries": task.tries})
            delay = timedelta(seconds=DELAYS[task.tries - 1])
            self._store.put_off(task, NOW, delay)

    def _give_up(self, task: Task, cause: str) -> None:
        log.error("export given up", extra={"cause": cause, "tries": task.tries})
        metrics.count("ExportsGivenUp")
        self._store.fail(task, NOW, KEPT)
