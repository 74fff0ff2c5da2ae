"""Signed requests to API Gateway's @connections, over kept connections."""

import logging
import random
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from urllib.parse import quote, urlsplit

from chalicelib import metrics
from chalicelib.config import Settings
from chalicelib.drivers.http import KeptConnections
from chalicelib.drivers.http_connection import Answer

log = logging.getLogger(__name__)

PARALLEL = 16
NOT_ASKED = 504
CLOSED = (200, 410)
BACKOFF_SECONDS = (0.1, 0.2, 0.4, 0.8)
"""The longest waits between attempts that get a 429. Each wait is a random part of these."""
FULL_SECONDS = 30.0
"""How long posts to a socket are tried only once, after all attempts got 429."""
MOST_FULL = 1000


class Posts:
    """Posts to sockets and closes them, by their ids. `Gateway` decides which.

    The boto3 client would do the same at many times the CPU (docs/decisions/0003).
    """

    def __init__(self, settings: Settings) -> None:
        self._path = urlsplit(settings.ws_endpoint_url).path.rstrip("/") + "/@connections/"
        self._http = KeptConnections(settings.ws_endpoint_url)
        self._signer = settings.signer("execute-api")
        self._full: dict[str, float] = {}

    def _each(
        self,
        connection_ids: Iterable[str],
        method: str,
        body: bytes,
        ends: float,
        *,
        patient: bool = False,
    ) -> list[int]:
        """The status of each. `patient`: try again after a 429."""
        ids = list(connection_ids)
        if len(ids) < 2:
            return [self._call(method, one, body, ends, patient) for one in ids]

        def call(one: str) -> int:
            return self._call(method, one, body, ends, patient)

        statuses = list(self._threads.map(call, ids))
        if late := statuses.count(NOT_ASKED):
            log.warning("sockets not asked in time", extra={"count": late, "method": method})
        return statuses

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(PARALLEL, thread_name_prefix="gateway")

    def _call(
        self, method: str, connection_id: str, body: bytes, ends: float, patient: bool
    ) -> int:
        """The status: 200 for any success; 503 without an answer, also at the second attempt.

        429 means that the AWS account's rate is used up, or that the client does not read: API
        Gateway does not say which. So it is tried again, but not for every event to that socket.
        """
        waits = list(BACKOFF_SECONDS) if patient and not self._is_full(connection_id) else []
        status = self._try(method, connection_id, body, ends)
        if status >= 500 and status != NOT_ASKED:
            time.sleep(0.05)
            status = self._try(method, connection_id, body, ends, new=True)
        while status == 429 and waits:
            wait = random.uniform(0, waits.pop(0))  # noqa: S311, no secret
            if time.monotonic() + wait > ends:
                break
            time.sleep(wait)
            status = self._try(method, connection_id, body, ends)
        if status == 429:
            metrics.count("PostsThrottled")
        if patient:
            self._note(connection_id, full=status == 429)
        if status not in (*CLOSED, NOT_ASKED):
            log.warning("socket not reached", extra={"status": status, "method": method})
        return status

    def _try(
        self, method: str, connection_id: str, body: bytes, ends: float, *, new: bool = False
    ) -> int:
        if time.monotonic() > ends:
            return NOT_ASKED
        path = self._path + quote(connection_id, safe="")
        try:
            ahead = self._signer.ahead
            answer = self._ask(method, path, body, ends, new=new)
            if answer.status == 403 and self._signer.corrected(answer.date, ahead):
                answer = self._ask(method, path, body, ends)
        except OSError:
            return 503
        return 200 if answer.status < 300 else answer.status

    def _ask(
        self, method: str, path: str, body: bytes, ends: float, *, new: bool = False
    ) -> Answer:
        headers = self._signer.headers(method, self._http.host, path, body)
        return self._http.exchange(method, path, headers, body, new=new, ends=ends)

    def _is_full(self, connection_id: str) -> bool:
        return time.monotonic() < self._full.get(connection_id, 0)

    def _note(self, connection_id: str, *, full: bool) -> None:
        if not full:
            self._full.pop(connection_id, None)
        elif not self._is_full(connection_id):
            if len(self._full) >= MOST_FULL:
                self._full.clear()
            self._full[connection_id] = time.monotonic() + FULL_SECONDS
