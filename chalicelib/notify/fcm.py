"""Firebase Cloud Messaging: sends pushes in bounded time, and returns the outcome of each."""

import json
import logging
import time
from collections.abc import Iterator, Sequence
from functools import partial
from io import BytesIO
from typing import Any

import firebase_admin
from firebase_admin import credentials, exceptions, messaging
from google.auth.credentials import Credentials
from google.auth.exceptions import GoogleAuthError, TransportError
from google.auth.transport.requests import Request
from google.oauth2.service_account import Credentials as ServiceAccount
from pydantic_core import to_json
from requests import ConnectionError as NotReached
from requests import PreparedRequest, RequestException, Response, Session, Timeout
from requests.adapters import BaseAdapter

from chalicelib import metrics
from chalicelib.clock import SKEW
from chalicelib.deadline import within
from chalicelib.drivers.http import KeptConnections
from chalicelib.ids import new_id
from chalicelib.notify.models import Notification, Outcome
from chalicelib.text.characters import cut

log = logging.getLogger(__name__)

SECONDS = 15.0
"""After this many seconds no more pushes are begun. The rest must be tried again."""

REQUEST_SECONDS = 3.0
"""Seconds for one answer, also one that comes byte by byte."""

AT_ONCE = 100
"""How many requests run at the same time: FCM takes one push for each request. The library's limit
is 500, and each takes a thread."""

ASSERTION_SECONDS = 3600
"""The longest time that Google accepts."""

TITLE_BYTES, BODY_BYTES = 256, 1024
"""Bytes in JSON. FCM takes 4,096 bytes in all; a program's data has at most 2,048."""

_NO_DEVICE = "canary"
_SCOPE = "https://www.googleapis.com/auth/firebase.messaging"


class Fcm:
    """Sends as the service account in `credentials_json`.

    `url` takes the place of Google's address for sending; `{0}` in it stands for the project.
    """

    def __init__(
        self, credentials_json: str, url: str | None = None, *, seconds: float = SECONDS
    ) -> None:
        info = json.loads(credentials_json)
        self._account = ServiceAccount.from_service_account_info(info, scopes=[_SCOPE])
        self._bearer = _Bearer()
        self._seconds = seconds
        self._app = firebase_admin.initialize_app(
            _Given(self._bearer),
            {"projectId": info["project_id"], "httpTimeout": REQUEST_SECONDS},
            name=new_id(),
        )
        _tame(self._app, url and url.format(info["project_id"]))
        self._session = Session()
        self._session.mount(info["token_uri"], _Adapter(info["token_uri"]))

    def send(self, pushes: Sequence[Notification]) -> list[Outcome]:
        """Send all, and return their outcomes in the same order. Never raises for failures of FCM
        or the network, and returns some seconds after `seconds` at the latest."""
        deadline = time.monotonic() + within(self._seconds)
        outcomes: list[Outcome] = []
        for start in range(0, len(pushes), AT_ONCE):
            chunk = pushes[start : start + AT_ONCE]
            if time.monotonic() > deadline:
                outcomes += [Outcome("retry", "OutOfTime")] * len(chunk)
            else:
                outcomes += self._send_chunk(chunk)
        return outcomes

    def validate(self) -> Outcome:
        """FCM's answer to a push that it only validates, for a token that no device has: `gone` if
        it accepts our account and refuses the token. Never raises, like `send`."""
        try:
            self._authorize()
            message = messaging.Message()
            message.token = _NO_DEVICE
            messaging.send(message, dry_run=True, app=self._app)
        except exceptions.FirebaseError as error:
            return _outcome(error)
        except (GoogleAuthError, RequestException) as error:
            return Outcome("retry", type(error).__name__)
        return Outcome("sent")

    def _send_chunk(self, chunk: Sequence[Notification]) -> list[Outcome]:
        try:
            self._authorize()
            answers = messaging.send_each([_message(push) for push in chunk], app=self._app)
        except (GoogleAuthError, RequestException, exceptions.FirebaseError) as error:
            log.warning("FCM cannot be reached", extra={"cause": type(error).__name__})
            metrics.unavailable("fcm")
            return [Outcome("retry", type(error).__name__)] * len(chunk)
        outcomes = [_outcome(answer.exception) for answer in answers.responses]
        if any(outcome.reason == "UnauthenticatedError" for outcome in outcomes):
            self._bearer.token = None
        if all(each.state == "retry" and each.reason != "QuotaExceededError" for each in outcomes):
            metrics.unavailable("fcm")
        return outcomes

    def _authorize(self) -> None:
        """Fetch one access token before the threads of `send_each` need it. By itself the library
        fetches one for each thread, and also searches for Google's metadata server."""
        if not self._bearer.valid:
            # Google refuses a signature from the future, and our clock may be ahead.
            signed_at = int(time.time()) - SKEW
            times = {"iat": signed_at, "exp": signed_at + ASSERTION_SECONDS}
            account = self._account.with_claims(times)
            account.refresh(partial(_ask_once, Request(self._session)))
            self._bearer.token, self._bearer.expiry = account.token, account.expiry


class _Bearer(Credentials):
    """An access token that was fetched elsewhere."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def refresh(self, request: Any) -> None:
        """Does nothing: a token that FCM refuses is replaced before the next batch."""


class _Given(credentials.Base):  # type: ignore[misc]
    """Gives a credential of google-auth to firebase-admin."""

    def __init__(self, credential: Credentials) -> None:
        self._credential = credential

    def get_credential(self) -> Credentials:
        return self._credential


def _ask_once(request: Request, *args: Any, **kwargs: Any) -> Any:
    """One request for a token, without google-auth's retries after a 5xx."""
    answer = request(*args, **kwargs)
    if answer.status >= 500:
        raise TransportError(f"The token endpoint answers {answer.status}.")
    return answer


def _tame(app: firebase_admin.App, url: str | None) -> None:
    """Set the address of the library's client, and turn off its retries: we retry by a queue.

    The library has no public option for either. Contract tests check both.
    """
    service = messaging._get_messaging_service(app)
    if url is not None:
        if not hasattr(service, "_fcm_url"):
            raise RuntimeError("This firebase-admin cannot be pointed at another address.")
        service._fcm_url = url
    service._client.session.mount(service._fcm_url, _Adapter(service._fcm_url))


class _Adapter(BaseAdapter):
    """Sends within the time limit of the event, and once more if a kept connection fails: a push
    that arrives twice is shown once."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._http = KeptConnections(url, seconds=REQUEST_SECONDS)

    def send(self, request: PreparedRequest, *_: Any, **__: Any) -> Response:
        headers = {name.lower(): str(value) for name, value in request.headers.items()}
        headers |= {"host": self._http.host, "accept-encoding": "identity"}
        headers.pop("content-length", None)
        method, path, body = request.method or "", request.path_url, request.body
        data = body if isinstance(body, bytes) else str(body or "").encode()
        try:
            answer = self._http.exchange(method, path, headers, data, again=True)
        except TimeoutError as error:
            raise Timeout(error, request=request) from None
        except OSError as error:
            raise NotReached(error, request=request) from None
        response = Response()
        response.status_code, response.raw = answer.status, BytesIO(answer.body)
        response.request, response.url = request, request.url or ""
        if answer.retry_after:
            response.headers["retry-after"] = str(answer.retry_after)
        return response

    def close(self) -> None:
        self._http.close()


def _message(push: Notification) -> messaging.Message:
    message = messaging.Message(
        data=push.data(),
        notification=messaging.Notification(
            title=cut(push.title, TITLE_BYTES, size=_in_json),
            body=cut(push.body, BODY_BYTES, size=_in_json),
        ),
        android=messaging.AndroidConfig(
            priority="high",
            notification=messaging.AndroidNotification(tag=push.tag),
        ),
        apns=messaging.APNSConfig(
            headers={"apns-collapse-id": push.tag, "apns-priority": "10"},
            payload=messaging.APNSPayload(messaging.Aps(thread_id=push.thread, sound="default")),
        ),
        webpush=messaging.WebpushConfig(notification=messaging.WebpushNotification(tag=push.tag)),
    )
    # As an argument it warns: installation ids are to replace registration tokens, which are
    # what clients have.
    message.token = push.token
    return message


def _in_json(text: str) -> int:
    """The bytes that a text takes in JSON, without its quotes."""
    return len(to_json(text)) - 2


def _outcome(error: exceptions.FirebaseError | None) -> Outcome:
    if error is None:
        return Outcome("sent")
    reason = type(error).__name__
    if isinstance(error, messaging.UnregisteredError):
        return Outcome("gone", reason)
    if isinstance(error, messaging.SenderIdMismatchError):
        # Our service account is of another project than the device's token. With a wrong service
        # account in a deployment, the tokens of all users must not be deleted.
        return Outcome("invalid", reason)
    if isinstance(error, exceptions.InvalidArgumentError):
        return Outcome("gone" if _about_the_token(error) else "invalid", reason)
    return Outcome("retry", reason, _retry_after(error))


def _about_the_token(error: exceptions.FirebaseError) -> bool:
    return "registration token" in str(error).lower() or "message.token" in _wrong_fields(error)


def _wrong_fields(error: exceptions.FirebaseError) -> Iterator[str]:
    try:
        details = error.http_response.json()["error"]["details"]
        for detail in details:
            for violation in detail.get("fieldViolations", ()):
                yield violation["field"]
    except (AttributeError, KeyError, TypeError, ValueError):
        return


def _retry_after(error: exceptions.FirebaseError) -> int:
    try:
        return max(0, int(error.http_response.headers["Retry-After"]))
    except (AttributeError, KeyError, ValueError):
        return 0
