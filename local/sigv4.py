"""Checks AWS Signature Version 4, as AWS's own endpoints do."""

import hmac
import time
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import quote

_ALGORITHM = "AWS4-HMAC-SHA256"
_SKEW_SECONDS = 300


class SignatureRefused(Exception):
    """The request is not signed with our keys. The message says why."""


class Verifier:
    """Knows one pair of keys, for one service. Signing keys are kept, since they change once a
    day."""

    def __init__(self, access_key: str, secret_key: str, service: str = "execute-api") -> None:
        self._service = service
        self._access_key = access_key
        self._secret_key = secret_key
        self._keys: dict[str, bytes] = {}
        self._paths: dict[str, str] = {}
        self._last_stamp = ("", 0.0)

    def check(
        self, method: str, path: str, query: str, headers: dict[str, str], body: bytes
    ) -> None:
        """Raise SignatureRefused unless the request was signed with our keys a moment ago.

        Header names are in lower case; the path is as it was sent.
        """
        authorization = headers.get("authorization")
        if authorization is None:
            raise SignatureRefused("Missing Authentication Token")
        scope, signed_names, signature = self._parse(authorization)
        stamp = headers.get("x-amz-date", "")
        self._check_time(stamp)
        names = signed_names.split(";")
        if "host" not in names or "x-amz-date" not in names:
            raise SignatureRefused("'host' and 'x-amz-date' must be signed headers.")
        signed = "".join(f"{name}:{' '.join(headers.get(name, '').split())}\n" for name in names)
        request = (
            f"{method}\n{self._canonical(path)}\n{'&'.join(sorted(query.split('&')))}\n"
            f"{signed}\n{signed_names}\n{sha256(body).hexdigest()}"
        )
        text = f"{_ALGORITHM}\n{stamp}\n{scope}\n{sha256(request.encode()).hexdigest()}"
        expected = hmac.digest(self._signing_key(scope), text.encode(), "sha256").hex()
        if not hmac.compare_digest(expected, signature):
            raise SignatureRefused(
                "The request signature we calculated does not match the signature you provided."
            )

    def _parse(self, authorization: str) -> tuple[str, str, str]:
        try:
            algorithm, rest = authorization.split(" ", 1)
            fields = dict(part.strip().split("=", 1) for part in rest.split(","))
            access_key, scope = fields["Credential"].split("/", 1)
            found = scope, fields["SignedHeaders"], fields["Signature"]
        except (ValueError, KeyError):
            raise SignatureRefused("The Authorization header is malformed.") from None
        if algorithm != _ALGORITHM:
            raise SignatureRefused(f"Only {_ALGORITHM} is understood.")
        if access_key != self._access_key:
            raise SignatureRefused("The security token included in the request is invalid.")
        return found

    def _check_time(self, stamp: str) -> None:
        if stamp != self._last_stamp[0]:
            try:
                signed_at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            except ValueError:
                raise SignatureRefused("X-Amz-Date is missing or malformed.") from None
            self._last_stamp = (stamp, signed_at.timestamp())
        if abs(time.time() - self._last_stamp[1]) > _SKEW_SECONDS:
            raise SignatureRefused("Signature expired.")

    def _canonical(self, path: str) -> str:
        canonical = self._paths.get(path)
        if canonical is None:
            if len(self._paths) > 10_000:
                self._paths.clear()
            canonical = self._paths[path] = quote(path, safe="/~")
        return canonical

    def _signing_key(self, scope: str) -> bytes:
        key = self._keys.get(scope)
        if key is None:
            parts = scope.split("/")
            if len(parts) != 4 or parts[2:] != [self._service, "aws4_request"]:
                raise SignatureRefused(f"Credential should be scoped to service '{self._service}'.")
            key = f"AWS4{self._secret_key}".encode()
            for part in parts:
                key = hmac.digest(key, part.encode(), "sha256")
            if len(self._keys) > 16:
                self._keys.clear()
            self._keys[scope] = key
        return key
