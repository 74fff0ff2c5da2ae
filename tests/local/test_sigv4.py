"""The signature check agrees with botocore's signer."""

from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.sigv4 import SignatureRefused, Verifier

VERIFIER = Verifier("key", "secret")
URL = "http://127.0.0.1:9000/api/@connections/abc%3D"


def signed(
    method: str = "POST",
    url: str = URL,
    body: bytes = b"hello",
    *,
    key: str = "key",
    secret: str = "secret",
    service: str = "execute-api",
    region: str = "eu-west-1",
    headers: dict[str, str] | None = None,
) -> dict[str, str]:
    request = AWSRequest(method, url, data=body, headers=headers or {})
    SigV4Auth(Credentials(key, secret), service, region).add_auth(request)
    found = {name.lower(): value for name, value in request.headers.items()}
    return {**found, "host": "127.0.0.1:9000"}


def check(headers: dict[str, str], **changed: str | bytes) -> None:
    request: dict[str, str | bytes] = {
        "method": "POST",
        "path": "/api/@connections/abc%3D",
        "query": "",
        "body": b"hello",
        **changed,
    }
    VERIFIER.check(headers=headers, **request)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
@pytest.mark.parametrize("body", [b"", b"hello", "né".encode(), b"x" * 100_000])
def test_accepts_what_botocore_signs(method: str, body: bytes) -> None:
    check(signed(method, body=body), method=method, body=body)


@pytest.mark.parametrize("path", ["/@connections/L0SM9cOFvHcCIhw=", "/api/@connections/a%2Fb%3D"])
def test_accepts_quoted_and_unquoted_paths(path: str) -> None:
    check(signed(url=f"http://127.0.0.1:9000{path}"), path=path)


def test_accepts_more_signed_headers_and_a_query() -> None:
    headers = signed(url=URL + "?b=2&a=1", headers={"X-Amz-Meta": "  two   words "})
    check(headers, query="b=2&a=1")


def test_accepts_again_with_a_kept_signing_key() -> None:
    check(signed())
    check(signed(body=b"other"), body=b"other")


@pytest.mark.parametrize(
    "changed",
    [
        {"body": b"hullo"},
        {"method": "DELETE"},
        {"path": "/api/@connections/abd%3D"},
        {"query": "a=1"},
    ],
)
def test_refuses_what_was_changed_after_signing(changed: dict[str, str | bytes]) -> None:
    with pytest.raises(SignatureRefused, match="does not match"):
        check(signed(), **changed)


def test_refuses_another_secret_key_and_service() -> None:
    with pytest.raises(SignatureRefused, match="does not match"):
        check(signed(secret="other"))
    with pytest.raises(SignatureRefused, match="token"):
        check(signed(key="other"))
    with pytest.raises(SignatureRefused, match="execute-api"):
        check(signed(service="s3"))


def test_refuses_unsigned_and_malformed() -> None:
    with pytest.raises(SignatureRefused, match="Missing Authentication Token"):
        check({"host": "127.0.0.1:9000"})
    for header in ("Bearer x", "AWS4-HMAC-SHA256 nonsense", ""):
        with pytest.raises(SignatureRefused, match="malformed"):
            check({**signed(), "authorization": header})


def test_refuses_a_host_that_is_not_signed() -> None:
    headers = signed()
    headers["authorization"] = headers["authorization"].replace("host;", "")
    with pytest.raises(SignatureRefused, match="signed headers"):
        check(headers)


@pytest.mark.parametrize("minutes", [-6, 6])
def test_refuses_stale_and_future_signatures(minutes: int) -> None:
    then = datetime.now(UTC) + timedelta(minutes=minutes)
    with patch("botocore.auth.get_current_datetime", return_value=then):
        headers = signed()
    with pytest.raises(SignatureRefused, match="expired"):
        check(headers)


def test_refuses_a_malformed_date() -> None:
    with pytest.raises(SignatureRefused, match="X-Amz-Date"):
        check({**signed(), "x-amz-date": "yesterday"})
