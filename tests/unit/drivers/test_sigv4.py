"""Our signer agrees with botocore's."""

import time
from datetime import UTC, datetime
from email.utils import formatdate
from unittest.mock import patch
from urllib.parse import parse_qs, urlencode

import pytest
from botocore.auth import S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from chalicelib.drivers.sigv4 import Signer

HOST = "abc.execute-api.eu-west-1.amazonaws.com"


def signer(token: str | None = None) -> Signer:
    return Signer("execute-api", "eu-west-1", access_key="AKID", secret_key="s/+", token=token)


def botocore_signs(
    method: str, path: str, body: bytes, token: str | None, at: datetime
) -> dict[str, str]:
    request = AWSRequest(method, f"https://{HOST}{path}", data=body, headers={"Host": HOST})
    with patch("botocore.auth.get_current_datetime", return_value=at):
        SigV4Auth(Credentials("AKID", "s/+", token), "execute-api", "eu-west-1").add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


@pytest.mark.parametrize("minutes", [-5, 5], ids=["behind", "ahead"])
def test_signs_by_the_clock_of_aws_once_an_answer_has_shown_it(
    monkeypatch: pytest.MonkeyPatch, minutes: int
) -> None:
    right = time.time()
    monkeypatch.setattr(time, "time", lambda: right + 60 * minutes)
    ours, shown = signer(), formatdate(right, usegmt=True)

    assert ours.corrected(shown, 0)
    stamp = ours.headers("POST", HOST, "/", b"")["x-amz-date"]
    assert abs(datetime.strptime(stamp + "+0000", "%Y%m%dT%H%M%SZ%z").timestamp() - right) <= 2
    assert not ours.corrected(shown, ours.ahead)  # what else is wrong is not the clock
    monkeypatch.setattr(time, "time", lambda: right)  # it was set right
    assert ours.corrected(shown, ours.ahead)


def test_corrects_each_of_several_requests_that_were_signed_at_once_by_a_wrong_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = time.time()
    monkeypatch.setattr(time, "time", lambda: right + 300)
    ours, shown = signer(), formatdate(right, usegmt=True)
    signed_with = ours.ahead

    assert [ours.corrected(shown, signed_with) for _ in range(3)] == [True] * 3


@pytest.mark.parametrize("date", ["", "soon", "Thu, 99 Xyz 2026"])
def test_learns_no_time_from_an_answer_without_one(date: str) -> None:
    assert not signer().corrected(date, 0)


@pytest.mark.parametrize("method", ["POST", "DELETE", "GET"])
@pytest.mark.parametrize("path", ["/api/@connections/L0SM9cOF%3D", "/a~b/%40connections/x%2Fy"])
@pytest.mark.parametrize("body", [b"", "né".encode(), b"x" * 100_000])
@pytest.mark.parametrize("token", [None, "session-token"])
def test_signs_as_botocore_does(method: str, path: str, body: bytes, token: str | None) -> None:
    ours = signer(token).headers(method, HOST, path, body)
    at = datetime.strptime(ours["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)

    assert ours == botocore_signs(method, path, body, token, at)


def test_the_key_changes_with_the_day() -> None:
    one = signer()
    days = [datetime(2026, 2, day, 23, 59, 59, tzinfo=UTC) for day in (27, 28, 27)]
    for day in days:
        with patch("chalicelib.drivers.sigv4.time.gmtime", return_value=day.timetuple()):
            ours = one.headers("POST", HOST, "/x", b"")

        assert ours == botocore_signs("POST", "/x", b"", None, day)


@pytest.mark.parametrize("token", [None, "session-token"])
def test_signs_more_headers_in_their_order(token: str | None) -> None:
    more = {"x-amz-target": "secretsmanager.Do", "content-type": "application/x-amz-json-1.1"}
    one = Signer("secretsmanager", "eu-west-1", access_key="AKID", secret_key="s/+", token=token)

    ours = one.headers("POST", HOST, "/", b"{}", more)

    at = datetime.strptime(ours["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    request = AWSRequest("POST", f"https://{HOST}/", data=b"{}", headers={"Host": HOST, **more})
    with patch("botocore.auth.get_current_datetime", return_value=at):
        credentials = Credentials("AKID", "s/+", token)
        SigV4Auth(credentials, "secretsmanager", "eu-west-1").add_auth(request)
    assert ours == {name.lower(): value for name, value in request.headers.items()}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("token", [None, "session/token+=="])
@pytest.mark.parametrize("more", [{}, {"response-content-disposition": 'attachment; name="a b"'}])
def test_signs_urls_of_s3_as_botocore_does(
    method: str, token: str | None, more: dict[str, str]
) -> None:
    host, path = "s3.eu-west-1.amazonaws.com", "/bucket/exports/a-b_c.zip"
    one = Signer("s3", "eu-west-1", access_key="AKID", secret_key="s/+", token=token)

    ours = parse_qs(one.query(method, host, path, more, seconds=300))

    (stamp,) = ours["X-Amz-Date"]
    at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    url = f"https://{host}{path}" + (f"?{urlencode(more)}" if more else "")
    request = AWSRequest(method, url)
    with patch("botocore.auth.get_current_datetime", return_value=at):
        credentials = Credentials("AKID", "s/+", token)
        S3SigV4QueryAuth(credentials, "s3", "eu-west-1", expires=300).add_auth(request)
    assert ours == parse_qs(str(request.url).partition("?")[2])
