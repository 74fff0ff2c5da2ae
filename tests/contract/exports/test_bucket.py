"""The bucket of archives, on a real S3."""

import io
import random
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from email.utils import formatdate
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from chalicelib import metrics
from chalicelib.config import Settings
from chalicelib.drivers.s3 import S3Bucket
from chalicelib.drivers.sigv4 import SKEW_SECONDS
from chalicelib.errors import Unavailable
from chalicelib.exports.service import NAME
from chalicelib.ids import new_id
from local import keys
from local.servers import start_all
from tests.contract.drivers.serving import serving
from tests.faults.lossy import Loss, LossyProxy
from tests.proxy import Proxy
from tests.unit.settings import settings


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The settings that find a real S3."""
    state: Path = tmp_path_factory.mktemp("s3")
    servers = start_all(state, ["s3"], print, on_failure=lambda: None)
    known = keys.aws(state / "keys")
    yield {
        "exports_url": servers["s3"].url,
        "exports_bucket": "parley-exports",
        "aws_access_key_id": known.access_key,
        "aws_secret_access_key": known.secret_key,
    }
    servers.stop()


def bucket_of(given: Settings) -> S3Bucket:
    return S3Bucket(given.exports_bucket, given.exports_at, given.signer("s3"))


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        return refusal.code


class TestBucket:
    def test_a_stored_file_is_downloaded_by_a_link_under_our_name(self, s3: dict[str, Any]) -> None:
        bucket = bucket_of(settings(**s3))
        content = b"x" * 3_000_000
        bucket.put("exports/a.zip", io.BytesIO(content), len(content))

        with urllib.request.urlopen(
            bucket.link("exports/a.zip", name=NAME, seconds=60), timeout=10
        ) as answer:
            assert answer.read() == content
            assert answer.headers["content-disposition"] == f'attachment; filename="{NAME}"'

    def test_a_link_opens_one_file_and_expires(self, s3: dict[str, Any]) -> None:
        bucket = bucket_of(settings(**s3))
        for key in ("exports/b.zip", "exports/c.zip"):
            bucket.put(key, io.BytesIO(b"secret"), 6)
        link = bucket.link("exports/b.zip", name=NAME, seconds=60)
        assert status(link) == 200

        assert status(link.replace("exports/b", "exports/c")) == 403
        assert status(link.replace("X-Amz-Expires=60", "X-Amz-Expires=600")) == 403
        assert status(link[:-1] + ("0" if link[-1] != "0" else "1")) == 403
        assert status(link.partition("?")[0]) == 403
        assert status(link.replace("parley-export.zip", "evil.exe")) == 403
        short = bucket.link("exports/b.zip", name=NAME, seconds=1)
        time.sleep(2.5)
        assert status(short) == 403

    @pytest.mark.parametrize("ahead", [-600, -100, 100, 600])
    def test_a_link_ends_in_time_however_wrong_our_clock_is(
        self, s3: dict[str, Any], ahead: int
    ) -> None:
        """S3 takes what is signed some minutes early, so the link would live longer by that."""
        bucket = bucket_of(settings(**s3))
        bucket.put("exports/g.zip", io.BytesIO(b"mine"), 4)
        bucket._signer.ahead = -ahead  # signs as a clock that is as much ahead

        link = bucket.link("exports/g.zip", name=NAME, seconds=60)

        (stamp,) = parse_qs(urlsplit(link).query)["X-Amz-Date"]
        signed_at = datetime.strptime(f"{stamp}+0000", "%Y%m%dT%H%M%SZ%z").timestamp()
        assert abs(signed_at - time.time()) < SKEW_SECONDS
        assert status(link) == 200

    @pytest.mark.parametrize("ahead", [-600, 1200])
    def test_a_large_file_is_put_however_wrong_our_clock_is(self, ahead: int) -> None:
        """S3 refuses without reading the file, and hangs up: that may be all that we see of it."""
        content, stored = random.Random(1).randbytes(5_000_000), bytearray()

        def answer(connection: socket.socket, request: bytes) -> None:
            head, _, body = request.partition(b"\r\n\r\n")
            stamp = head.partition(b"X-Amz-Date=")[2][:16].decode()
            signed_at = datetime.strptime(f"{stamp}+0000", "%Y%m%dT%H%M%SZ%z").timestamp()
            if abs(signed_at - time.time()) > 180:
                connection.sendall(f"HTTP/1.1 403 No\r\nDate: {formatdate()}\r\n\r\n".encode())
                raise ConnectionError
            size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
            while len(body) < size:
                body += connection.recv(65536)
            stored[:] = body
            status = 200 if head.startswith(b"PUT") else 404
            date = f"Date: {formatdate()}\r\nContent-Length: 0\r\n\r\n"
            connection.sendall(f"HTTP/1.1 {status} So\r\n{date}".encode())

        with serving(answer) as server:
            bucket = bucket_of(
                settings(exports_bucket="b", exports_url=f"http://127.0.0.1:{server.port}")
            )
            bucket._signer.ahead = -ahead

            bucket.put("exports/h.zip", io.BytesIO(content), len(content))

        assert bytes(stored) == content

    def test_what_is_deleted_is_gone_and_deleting_again_is_harmless(
        self, s3: dict[str, Any]
    ) -> None:
        bucket = bucket_of(settings(**s3))
        bucket.put("exports/d.zip", io.BytesIO(b"gone"), 4)

        bucket.delete("exports/d.zip")
        bucket.delete("exports/d.zip")

        assert status(bucket.link("exports/d.zip", name=NAME, seconds=60)) == 404

    def test_a_file_that_is_stored_counts_no_outage(self, s3: dict[str, Any]) -> None:
        metrics.begin()

        bucket_of(settings(**s3)).put(f"exports/{new_id()}.zip", io.BytesIO(b"x"), 1)

        assert list(metrics.lines("dev")) == []

    def test_a_wrong_key_stores_nothing(self, s3: dict[str, Any]) -> None:
        stranger = bucket_of(settings(**{**s3, "aws_secret_access_key": "of somebody else"}))

        with pytest.raises(Unavailable):
            stranger.put("exports/e.zip", io.BytesIO(b"x"), 1)

    def test_a_server_that_does_not_answer_raises_unavailable(
        self, s3: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("chalicelib.drivers.s3.WAIT_SECONDS", 0.2)
        with Proxy("127.0.0.1", urlsplit(s3["exports_url"]).port or 0) as proxy:
            proxy.freeze()
            for port in (1, proxy.port):
                bucket = bucket_of(settings(**{**s3, "exports_url": f"http://127.0.0.1:{port}"}))
                with pytest.raises(Unavailable) as caught:
                    bucket.put("exports/f.zip", io.BytesIO(b"x"), 1)
                assert caught.value.dependency == "s3"

    def test_g9_a_server_that_drips_is_not_waited_for(
        self, s3: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("chalicelib.drivers.s3.WAIT_SECONDS", 0.5)
        with Proxy("127.0.0.1", urlsplit(s3["exports_url"]).port or 0) as proxy:
            bucket = bucket_of(settings(**{**s3, "exports_url": f"http://127.0.0.1:{proxy.port}"}))
            proxy.drip = 0.1
            before = time.monotonic()
            with pytest.raises(Unavailable):
                bucket.put("exports/g.zip", io.BytesIO(b"x"), 1)
            with pytest.raises(Unavailable):
                bucket.delete("exports/g.zip")
            assert time.monotonic() - before < 3

    @pytest.mark.parametrize("silent", [False, True])
    def test_a_repeat_completes_an_upload_whose_answer_was_lost(
        self, s3: dict[str, Any], silent: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("chalicelib.drivers.s3.WAIT_SECONDS", 1.0)
        proxy = LossyProxy(s3["exports_url"])
        bucket = bucket_of(settings(**{**s3, "exports_url": proxy.url}))
        link = bucket.link("exports/i.zip", name=NAME, seconds=60)
        losing = partial(proxy.losing, Loss(lambda _: True, random.Random(), silent))

        with losing(), pytest.raises(Unavailable):
            bucket.put("exports/i.zip", io.BytesIO(b"whole"), 5)
        bucket.put("exports/i.zip", io.BytesIO(b"whole"), 5)
        assert status(link) == 200
        with losing(), pytest.raises(Unavailable):
            bucket.delete("exports/i.zip")
        bucket.delete("exports/i.zip")
        assert status(link) == 404
        proxy.close()

    def test_a_connection_that_the_network_dropped_does_no_harm(self, s3: dict[str, Any]) -> None:
        with Proxy("127.0.0.1", urlsplit(s3["exports_url"]).port or 0) as proxy:
            bucket = bucket_of(settings(**{**s3, "exports_url": f"http://127.0.0.1:{proxy.port}"}))
            bucket.put("exports/h.zip", io.BytesIO(b"x"), 1)
            proxy.forget()

            before = time.monotonic()
            bucket.delete("exports/h.zip")

        assert time.monotonic() - before < 2
