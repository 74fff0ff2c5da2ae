"""Amazon S3: stores and deletes archives, and makes links to them that expire soon."""

from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import IO

from chalicelib.drivers.http import KeptConnections
from chalicelib.drivers.http_connection import Answer, Upload
from chalicelib.drivers.sigv4 import Signer
from chalicelib.errors.counted import unavailable

WAIT_SECONDS = 10.0
"""Seconds for the server to accept the next piece, and for its whole answer."""

PUT_SECONDS = 180.0
"""Seconds for a whole archive."""

_ONE_BYTE = {"range": "bytes=0-0"}
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class S3Bucket:
    """One bucket. Requests are signed in their URLs, so that a file need not be read twice. TLS
    detects changes of the content. The boto3 client is not in the package (docs/decisions/0003)."""

    def __init__(self, name: str, url: str, signer: Signer) -> None:
        self._http = KeptConnections(url, seconds=WAIT_SECONDS)
        self._host = self._http.host
        self._base = f"{url.partition('://')[0]}://{self._host}"
        self._bucket = name
        self._signer = signer

    @property
    def is_there(self) -> bool:
        """Whether this stage has a bucket."""
        return bool(self._bucket)

    def put(self, key: str, file: IO[bytes], size: int) -> None:
        """Store a file of `size` bytes, completely or not at all. Raises Unavailable."""
        self._learn_clock(key)
        self._request("PUT", key, Upload(file, size, PUT_SECONDS))

    def delete(self, key: str) -> None:
        """Safe if the file does not exist. Raises Unavailable."""
        self._request("DELETE", key, b"")

    def link(self, key: str, *, name: str, seconds: int) -> str:
        """A URL to download a file under a name, without any other proof."""
        self._learn_clock(key)
        more = {"response-content-disposition": f'attachment; filename="{name}"'}
        return self._base + self._signed("GET", key, more, seconds)

    def _learn_clock(self, key: str) -> None:
        """Send a small request first, to sign by S3's clock from then on. If S3 refuses the
        signature of a large body, it may close the connection without an answer; and a link cannot
        be corrected later. Ignores the answer: a new file does not exist yet. Counts no outage:
        `put` counts it when it sends the file."""
        with suppress(OSError):
            self._exchange("GET", key, b"", _ONE_BYTE)

    def _request(self, method: str, key: str, body: bytes | Upload) -> None:
        try:
            status = self._exchange(method, key, body, _NO_HEADERS).status
        except OSError:
            raise unavailable("s3") from None  # the error may quote the URL
        if not 200 <= status < 300 and (method, status) != ("DELETE", 404):
            raise unavailable("s3")

    def _exchange(
        self, method: str, key: str, body: bytes | Upload, headers: Mapping[str, str]
    ) -> Answer:
        """The answer of S3, by its clock. Raises OSError."""
        ahead = self._signer.ahead
        answer = self._try(method, key, body, headers)
        # S3 also accepts a signature from the future, and the link would then work for too long.
        if self._signer.corrected(answer.date, ahead) and answer.status == 403:
            answer = self._try(method, key, body, headers)
        return answer

    def _try(
        self, method: str, key: str, body: bytes | Upload, headers: Mapping[str, str]
    ) -> Answer:
        """Uses a new connection: requests are rare, and a body cannot be sent twice."""
        path = self._signed(method, key, {}, int(PUT_SECONDS))
        if isinstance(body, Upload):
            body.file.seek(0)
        try:
            return self._http.exchange(
                method, path, {"host": self._host, **headers}, body, new=True
            )
        finally:
            self._http.close()

    def _signed(self, method: str, key: str, more: dict[str, str], seconds: int) -> str:
        path = f"/{self._bucket}/{key}"
        return f"{path}?{self._signer.query(method, self._host, path, more, seconds=seconds)}"
