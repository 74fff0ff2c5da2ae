"""Amazon S3: archives are put, deleted, and fetched by links that end soon."""

import http.client
import time
from typing import IO
from urllib.parse import urlsplit

from chalicelib.config import Settings
from chalicelib.deadline import within
from chalicelib.errors import Unavailable

WAIT_SECONDS = 10.0
"""For the connection, and for the server to take some more or to answer."""

PUT_SECONDS = 180.0
"""For a whole archive."""


class Bucket:
    """One bucket. Requests are signed in their URLs, so nothing has to be read twice to sign it;
    TLS keeps what is sent whole. The boto3 client is not in the package (docs/decisions/0003)."""

    def __init__(self, settings: Settings) -> None:
        where = settings.exports_url or f"https://s3.{settings.aws_region}.amazonaws.com"
        parts = urlsplit(where)
        self._base = f"{parts.scheme}://{parts.netloc}"
        self._host = parts.netloc
        self._open = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        self._bucket = settings.exports_bucket
        self._signer = settings.signer("s3")

    @property
    def is_there(self) -> bool:
        """Whether this stage has a bucket."""
        return bool(self._bucket)

    def put(self, key: str, file: IO[bytes], size: int) -> None:
        """Store a file that is `size` bytes long, whole or not at all. Raises Unavailable."""
        self._request("PUT", key, {"content-length": str(size)}, _Bounded(file))

    def delete(self, key: str) -> None:
        """Harmless where there is nothing. Raises Unavailable."""
        self._request("DELETE", key, {})

    def link(self, key: str, *, name: str, seconds: int) -> str:
        """Lets whoever has it fetch a file, and save it by a name."""
        more = {"response-content-disposition": f'attachment; filename="{name}"'}
        return self._base + self._signed("GET", key, more, seconds)

    def _request(
        self, method: str, key: str, headers: dict[str, str], body: "_Bounded | None" = None
    ) -> None:
        path = self._signed(method, key, {}, int(PUT_SECONDS))
        connection = self._open(self._host, timeout=within(WAIT_SECONDS))
        try:
            connection.request(method, path, body, headers)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException):
            raise Unavailable("s3") from None  # the error may quote the URL
        finally:
            connection.close()
        if not 200 <= status < 300 and (method, status) != ("DELETE", 404):
            raise Unavailable("s3")

    def _signed(self, method: str, key: str, more: dict[str, str], seconds: int) -> str:
        path = f"/{self._bucket}/{key}"
        return f"{path}?{self._signer.query(method, self._host, path, more, seconds=seconds)}"


class _Bounded:
    """A file that may be read for some time."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._ends = time.monotonic() + within(PUT_SECONDS)

    def read(self, size: int = -1) -> bytes:
        if time.monotonic() > self._ends:
            raise TimeoutError("the upload takes too long")
        return self._file.read(size)
