"""Signs requests with AWS Signature Version 4."""

import hmac
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from hashlib import sha256
from types import MappingProxyType
from urllib.parse import quote, urlencode

_ALGORITHM = "AWS4-HMAC-SHA256"
SKEW_SECONDS = 60
_NONE: Mapping[str, str] = MappingProxyType({})


class Signer:
    """Signs requests to one service of one region: by headers if they have no query, or by the
    query of a URL."""

    def __init__(
        self, service: str, region: str, *, access_key: str, secret_key: str, token: str | None
    ) -> None:
        self._scope = f"{region}/{service}/aws4_request"
        self._access_key = access_key
        self._secret = f"AWS4{secret_key}".encode()
        self._token = token
        self._day, self._key = "", b""
        self.ahead = 0.0
        """How many seconds our clock is ahead of that of AWS, as far as we know."""

    def corrected(self, date: str, signed_with: float) -> bool:
        """Sign by the clock in an answer's Date header from now on: AWS refuses signatures that are
        five minutes early or late. `signed_with`: `ahead` when the request was signed, because
        another thread may have corrected it since. False if the clock was right."""
        try:
            ahead = time.time() - parsedate_to_datetime(date).timestamp()
        except ValueError:
            return False
        if abs(ahead - signed_with) < SKEW_SECONDS:
            return False
        self.ahead = ahead
        return True

    def headers(
        self, method: str, host: str, path: str, body: bytes, more: Mapping[str, str] = _NONE
    ) -> dict[str, str]:
        """The headers to send, `Host` and `more` included, all signed; `path` is as it is sent.
        The names in `more` are in lower case."""
        stamp = self._stamp()
        scope = f"{stamp[:8]}/{self._scope}"
        headers = {"host": host, "x-amz-date": stamp, **more}
        if self._token is not None:
            headers["x-amz-security-token"] = self._token
        if more:
            headers = dict(sorted(headers.items()))
        names = ";".join(headers)
        lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
        # Every service but S3 wants the path encoded a second time.
        request = (
            f"{method}\n{quote(path, safe='/~')}\n\n{lines}\n{names}\n{sha256(body).hexdigest()}"
        )
        signature = self._signature(stamp, scope, request)
        headers["authorization"] = (
            f"{_ALGORITHM} Credential={self._access_key}/{scope}, "
            f"SignedHeaders={names}, Signature={signature}"
        )
        return headers

    def query(
        self, method: str, host: str, path: str, more: Mapping[str, str], *, seconds: int
    ) -> str:
        """The query of a presigned URL: for some seconds it allows this request to S3, with any
        body. `path` is as it is sent; `more` are parameters that are signed with it."""
        stamp = self._stamp()
        scope = f"{stamp[:8]}/{self._scope}"
        parameters = {
            "X-Amz-Algorithm": _ALGORITHM,
            "X-Amz-Credential": f"{self._access_key}/{scope}",
            "X-Amz-Date": stamp,
            "X-Amz-Expires": str(seconds),
            "X-Amz-SignedHeaders": "host",
            **more,
        }
        if self._token is not None:
            parameters["X-Amz-Security-Token"] = self._token
        query = urlencode(sorted(parameters.items()), quote_via=quote, safe="~")
        request = f"{method}\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
        return f"{query}&X-Amz-Signature={self._signature(stamp, scope, request)}"

    def _stamp(self) -> str:
        return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() - self.ahead))

    def _signature(self, stamp: str, scope: str, request: str) -> str:
        text = f"{_ALGORITHM}\n{stamp}\n{scope}\n{sha256(request.encode()).hexdigest()}"
        return hmac.digest(self._key_of(stamp[:8]), text.encode(), "sha256").hex()

    def _key_of(self, day: str) -> bytes:
        if day != self._day:
            key = self._secret
            for part in (day, *self._scope.split("/")):
                key = hmac.digest(key, part.encode(), "sha256")
            self._key, self._day = key, day  # in this order: threads may read in between
        return self._key
