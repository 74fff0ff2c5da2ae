"""The FCM stand-in, as Google's own libraries see it."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator

import google.auth.transport.requests
import httpx
import pytest
from google.auth.exceptions import RefreshError
from google.oauth2 import service_account

from local.keys import PROJECT, ServiceAccount
from local.stand_ins.fcm import Fcm
from local.stand_ins.pushes import Pushes
from tests.local.stack import listener

SCOPES = ["https://www.googleapis.com/auth/firebase.messaging"]


class Google:
    """The stand-in, running in a thread."""

    def __init__(self, account: ServiceAccount) -> None:
        bound = listener()
        self.url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        self.pushes = Pushes()
        self.fcm = Fcm(account=account, pushes=self.pushes, url=self.url)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.fcm.start(bound), self._loop).result(5)
        self.token = self.sign_in(json.loads(self.fcm.credentials()))

    def sign_in(self, info: dict[str, str]) -> str:
        """An access token, fetched as firebase-admin does."""
        credentials = service_account.Credentials.from_service_account_info(info, scopes=SCOPES)
        credentials.refresh(google.auth.transport.requests.Request())
        return str(credentials.token)

    def send(self, message: object, token: str | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token or self.token}"}
        url = self.fcm.send_url.format(PROJECT)
        return httpx.post(url, json={"message": message}, headers=headers)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self.fcm.stop(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> ServiceAccount:
    from local import keys

    return keys.load(tmp_path_factory.mktemp("keys")).service_account


@pytest.fixture(scope="module")
def google_(account: ServiceAccount) -> Iterator[Google]:
    made = Google(account)
    yield made
    made.stop()


def reason(answer: httpx.Response) -> tuple[int, str, str]:
    error = answer.json()["error"]
    assert error["code"] == answer.status_code
    return answer.status_code, error["status"], error["details"][0]["errorCode"]


class TestToken:
    def test_is_given_to_the_service_account(self, google_: Google) -> None:
        assert google_.token.startswith("local.")

    def test_is_refused_to_another_key(self, google_: Google) -> None:
        from local.keys import _new_rsa_key

        info = json.loads(google_.fcm.credentials())
        info["private_key"] = _new_rsa_key()

        with pytest.raises(RefreshError, match="invalid_grant"):
            google_.sign_in(info)

    def test_is_refused_to_another_account(self, google_: Google) -> None:
        info = json.loads(google_.fcm.credentials())
        info["client_email"] = "somebody@else.example"

        with pytest.raises(RefreshError, match="invalid_grant"):
            google_.sign_in(info)

    def test_is_refused_to_malformed_credentials(self, google_: Google) -> None:
        assert httpx.post(f"{google_.url}/token", content=b"\xff").status_code == 400
        form = {"grant_type": "password", "assertion": "x"}
        assert httpx.post(f"{google_.url}/token", data=form).status_code == 400

    def test_is_needed_to_send(self, google_: Google) -> None:
        answer = google_.send({"token": "phone"}, token="made-up")

        assert answer.status_code == 401
        assert answer.json()["error"]["status"] == "UNAUTHENTICATED"


class TestSend:
    def test_keeps_the_push(self, google_: Google) -> None:
        google_.pushes.clear()
        message = {
            "token": "phone-1",
            "notification": {"title": "Ada", "body": "Hi é"},
            "data": {"message_id": "m1"},
            "android": {"collapse_key": "m1"},
        }

        answer = google_.send(message)

        assert answer.status_code == 200
        assert answer.json()["name"].startswith(f"projects/{PROJECT}/messages/")
        (push,) = google_.pushes.after(0)
        assert push["token"] == "phone-1"
        assert push["title"] == "Ada"
        assert push["body"] == "Hi é"
        assert push["data"] == {"message_id": "m1"}
        assert push["collapse_key"] == "m1"
        assert push["received_at"].endswith("Z")

    def test_takes_installation_ids_as_well(self, google_: Google) -> None:
        google_.pushes.clear()

        assert google_.send({"fid": "install-1"}).status_code == 200
        assert google_.pushes.after(0)[0]["token"] == "install-1"

    @pytest.mark.parametrize(
        ("device", "expected"),
        [
            ("fail-unregistered-1", (404, "NOT_FOUND", "UNREGISTERED")),
            ("fail-invalid", (400, "INVALID_ARGUMENT", "INVALID_ARGUMENT")),
            ("fail-sender-x", (403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH")),
            ("fail-quota-x", (429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED")),
            ("fail-503-x", (503, "UNAVAILABLE", "UNAVAILABLE")),
            ("fail-500-x", (500, "INTERNAL", "INTERNAL")),
        ],
    )
    def test_fails_as_the_token_says(
        self, google_: Google, device: str, expected: tuple[int, str, str]
    ) -> None:
        google_.pushes.clear()

        answer = google_.send({"token": device})

        assert reason(answer) == expected
        assert google_.pushes.after(0) == []
        assert ("Retry-After" in answer.headers) == (answer.status_code in (429, 503))

    def test_fails_as_often_as_the_token_says(self, google_: Google) -> None:
        statuses = [google_.send({"token": "fail-503x2-phone"}).status_code for _ in range(3)]

        assert statuses == [503, 503, 200]

    def test_is_slow_where_the_token_says_so(self, google_: Google) -> None:
        started = time.monotonic()

        assert google_.send({"token": "slow-0.3-phone"}).status_code == 200
        assert time.monotonic() - started >= 0.3

    @pytest.mark.parametrize(
        "message",
        [
            None,
            [],
            {},
            {"token": "a", "fid": "b"},
            {"topic": "all"},
            {"token": "a", "data": {"n": 1}},
            {"token": "a", "notification": {"body": "x" * 5000}},
        ],
    )
    def test_refuses_what_fcm_refuses(self, google_: Google, message: object) -> None:
        answer = google_.send(message)

        assert reason(answer) == (400, "INVALID_ARGUMENT", "INVALID_ARGUMENT")

    def test_refuses_other_projects_and_paths(self, google_: Google) -> None:
        headers = {"Authorization": f"Bearer {google_.token}"}
        url = google_.fcm.send_url.format("other")

        assert httpx.post(url, json={"message": {"token": "a"}}, headers=headers).status_code == 403
        assert httpx.get(f"{google_.url}/token").status_code == 404
