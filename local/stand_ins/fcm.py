"""A stand-in for Google: the token endpoint and FCM's HTTP v1 send, with their error answers.

What a push token begins with decides what becomes of a message to it, so that every answer of
FCM can be provoked:

    fail-unregistered   404 UNREGISTERED         the app was removed from the device
    fail-invalid        400 INVALID_ARGUMENT     no such token ever was
    fail-sender         403 SENDER_ID_MISMATCH   a token of another project
    fail-quota          429 QUOTA_EXCEEDED       with Retry-After
    fail-503            503 UNAVAILABLE
    fail-500            500 INTERNAL
    slow-<seconds>      the answer takes that long, 30 s at most

`fail-503x2-anything` fails the first two times and then succeeds; so with the others.
"""

import asyncio
import json
import re
import secrets
from collections import Counter
from typing import Any
from urllib.parse import parse_qs

import jwt
from aiohttp import web

from local.gateways.server import HttpServer
from local.keys import ServiceAccount
from local.stand_ins.pushes import Pushes

MAX_BODY = 64 * 1024
MAX_MESSAGE = 4096
_TOKEN_SECONDS = 3600
_AUDIENCE = "https://oauth2.googleapis.com/token"  # google-auth's, wherever it asks
_FAILURES = {
    "unregistered": (404, "NOT_FOUND", "UNREGISTERED"),
    "invalid": (400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
    "sender": (403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"),
    "quota": (429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"),
    "503": (503, "UNAVAILABLE", "UNAVAILABLE"),
    "500": (500, "INTERNAL", "INTERNAL"),
}
_NO_SUCH_TOKEN = "The registration token is not a valid FCM registration token"
_FAIL = re.compile(rf"fail-({'|'.join(_FAILURES)})(?:x(\d+))?(?:-|$)")
_SLOW = re.compile(r"slow-(\d+(?:\.\d+)?)(?:-|$)")


def _error(
    code: int, status: str, message: str, reason: str | None = None, retry: int | None = None
) -> web.Response:
    error: dict[str, Any] = {"code": code, "message": message, "status": status}
    if reason is not None:
        kind = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
        error["details"] = [{"@type": kind, "errorCode": reason}]
    headers = {"Retry-After": str(retry)} if retry is not None else None
    return web.json_response({"error": error}, status=code, headers=headers)


class Fcm(HttpServer):
    """Serves both endpoints at `url`; accepted messages go to `pushes`."""

    def __init__(self, *, account: ServiceAccount, pushes: Pushes, url: str) -> None:
        self._account = account
        self._pushes = pushes
        self._tokens: set[str] = set()
        self._failed: Counter[str] = Counter()
        self._url = url

    @property
    def send_url(self) -> str:
        """What takes the place of Google's address; `{0}` stands for the project."""
        return f"{self._url}/v1/projects/{{0}}/messages:send"

    def credentials(self) -> str:
        """The service account file that signs in here."""
        return self._account.to_json(token_uri=f"{self._url}/token")

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        if request.method != "POST":
            return _error(404, "NOT_FOUND", "Not found.")
        body = await request.content.read(MAX_BODY)
        if request.path == "/token":
            return self._token(body)
        if request.path != f"/v1/projects/{self._account.project_id}/messages:send":
            return _error(403, "PERMISSION_DENIED", "Permission denied on resource project.")
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self._tokens:
            return _error(401, "UNAUTHENTICATED", "Request had invalid credentials.")
        return await self._send(body)

    def _token(self, body: bytes) -> web.Response:
        form = parse_qs(body.decode(errors="replace"))
        try:
            if form["grant_type"] != ["urn:ietf:params:oauth:grant-type:jwt-bearer"]:
                return web.json_response({"error": "unsupported_grant_type"}, status=400)
            jwt.decode(
                form["assertion"][0],
                self._account.public_key,
                algorithms=["RS256"],
                audience=_AUDIENCE,
                issuer=self._account.client_email,
                options={"require": ["exp", "iat", "iss", "aud"]},
                leeway=10,
            )
        except (KeyError, jwt.InvalidTokenError) as error:
            problem = {"error": "invalid_grant", "error_description": f"Invalid JWT: {error}"}
            return web.json_response(problem, status=400)
        if len(self._tokens) >= 1000:
            self._tokens.clear()
        token = f"local.{secrets.token_urlsafe(24)}"
        self._tokens.add(token)
        answer = {"access_token": token, "expires_in": _TOKEN_SECONDS, "token_type": "Bearer"}
        return web.json_response(answer)

    async def _send(self, body: bytes) -> web.Response:
        try:
            request = json.loads(body)
            message, only_checked = _checked(request), request.get("validate_only") is True
        except (ValueError, TypeError) as problem:
            return _error(400, "INVALID_ARGUMENT", str(problem), "INVALID_ARGUMENT")
        device = str(message.get("token") or message.get("fid"))
        if slow := _SLOW.match(device):
            await asyncio.sleep(min(float(slow[1]), 30.0))
        if (failure := _FAIL.match(device)) and self._fails(device, failure[2]):
            code, status, reason = _FAILURES[failure[1]]
            said = _NO_SUCH_TOKEN if reason == "INVALID_ARGUMENT" else reason
            return _error(code, status, said, reason, 1 if code in (429, 503) else None)
        # What is only to be checked reaches no device.
        message_id = "validated" if only_checked else self._pushes.add(message).id
        return web.json_response(
            {"name": f"projects/{self._account.project_id}/messages/{message_id}"}
        )

    def _fails(self, device: str, times: str | None) -> bool:
        if times is None:
            return True
        if len(self._failed) > 10_000:
            self._failed.clear()
        self._failed[device] += 1
        return self._failed[device] <= int(times)


def _checked(request: Any) -> dict[str, Any]:
    """The message of a request. Raises ValueError as FCM would refuse it."""
    if not isinstance(request, dict) or not isinstance(request.get("message"), dict):
        raise ValueError("Invalid JSON payload received: 'message' is missing.")
    message: dict[str, Any] = request["message"]
    targets = [name for name in ("token", "fid", "topic", "condition") if message.get(name)]
    if len(targets) != 1 or targets[0] in ("topic", "condition"):
        raise ValueError("Recipient of the message is not set: give exactly one device.")
    data = message.get("data") or {}
    if not all(isinstance(item, str) for pair in data.items() for item in pair):
        raise ValueError("Invalid value at 'message.data': all values must be strings.")
    shown = {"data": data, "notification": message.get("notification") or {}}
    if len(json.dumps(shown, ensure_ascii=False).encode()) > MAX_MESSAGE:
        raise ValueError("Android message is too big")
    return message
