"""A stand-in for Amazon SES: the request of API v2 that sends a mail, with its error answers.

What the mailbox's name begins with decides what becomes of a mail to it:

    fail-rejected   400 MessageRejected           an address that is not verified, in the sandbox
    fail-throttled  429 TooManyRequestsException
    fail-503        503 ServiceUnavailable

`fail-503x2-anything@` fails the first two times and then succeeds; so with the others.
"""

import json
import re
from collections import Counter
from typing import Any

from aiohttp import web

from local.gateways.server import HttpServer
from local.sigv4 import SignatureRefused, Verifier
from local.stand_ins.mails import Mails

SENDER = "parley@example.com"
MAX_BODY = 256 * 1024
_PATH = "/v2/email/outbound-emails"
_FAILURES = {
    "rejected": (400, "MessageRejected"),
    "throttled": (429, "TooManyRequestsException"),
    "503": (503, "ServiceUnavailable"),
}
_FAIL = re.compile(rf"fail-({'|'.join(_FAILURES)})(?:x(\d+))?[-@]")


class Ses(HttpServer):
    """Serves at `url`; mails that it takes go to `mails`."""

    def __init__(self, *, verifier: Verifier, mails: Mails, url: str) -> None:
        self.url = url
        self._verifier = verifier
        self._mails = mails
        self._failed: Counter[str] = Counter()

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        body = await request.content.read(MAX_BODY)
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            self._verifier.check(
                request.method,
                request.rel_url.raw_path,
                request.rel_url.raw_query_string,
                headers,
                body,
            )
        except SignatureRefused as refusal:
            return _error(403, "InvalidSignatureException", str(refusal))
        if (request.method, request.path) != ("POST", _PATH):
            return _error(404, "NotFoundException", "Not found.")
        try:
            mail = _checked(json.loads(body))
        except (ValueError, TypeError, KeyError) as problem:
            return _error(400, "BadRequestException", f"Malformed: {problem}")
        to = mail["to"]
        if (failure := _FAIL.match(to)) and self._fails(to, failure[2]):
            code, kind = _FAILURES[failure[1]]
            return _error(code, kind, f"Not sent to {to}.")
        return web.json_response({"MessageId": f"local-{self._mails.add(**mail).id}"})

    def _fails(self, to: str, times: str | None) -> bool:
        if times is None:
            return True
        if len(self._failed) > 10_000:
            self._failed.clear()
        self._failed[to] += 1
        return self._failed[to] <= int(times)


def _error(status: int, kind: str, message: str) -> web.Response:
    headers = {"x-amzn-ErrorType": kind}
    return web.json_response({"message": message}, status=status, headers=headers)


def _checked(request: Any) -> dict[str, str]:
    """A mail of plain text to one person. Raises ValueError, TypeError or KeyError."""
    if set(request) != {"FromEmailAddress", "Destination", "Content"}:
        raise ValueError("these are not the members of a simple mail")
    (to,) = request["Destination"]["ToAddresses"]
    simple = request["Content"]["Simple"]
    mail = {
        "sender": request["FromEmailAddress"],
        "to": to,
        "subject": simple["Subject"]["Data"],
        "text": simple["Body"]["Text"]["Data"],
    }
    if not all(isinstance(value, str) and value for value in mail.values()):
        raise ValueError("all of it must be text")
    if any(value.splitlines()[1:] for name, value in mail.items() if name != "text"):
        raise ValueError("only the text may have lines")
    return mail
