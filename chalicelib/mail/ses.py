"""Amazon SES: one signed request for each mail, over a kept connection."""

import json
from urllib.parse import urlsplit

from chalicelib import metrics
from chalicelib.config import Settings
from chalicelib.drivers.http import KeptConnections
from chalicelib.drivers.http_connection import Answer
from chalicelib.mail.models import Letter

_PATH = "/v2/email/outbound-emails"
_HEADERS = {"content-type": "application/json"}


class MailRefused(Exception):
    """SES did not accept the mail. The text has the status only, because SES quotes addresses in
    its answers."""


class Ses:
    """Sends as `MAIL_FROM`. The boto3 client is not in the package (docs/decisions/0003)."""

    def __init__(self, settings: Settings) -> None:
        url = settings.mail_url or f"https://email.{settings.aws_region}.amazonaws.com"
        self._sender = settings.mail_from
        self._http = KeptConnections(url)
        self._path = urlsplit(url).path.rstrip("/") + _PATH
        self._signer = settings.signer("ses")

    def send(self, letter: Letter) -> None:
        """Send a mail. Raises MailRefused; the mail may have been sent all the same."""
        body = json.dumps(
            {
                "FromEmailAddress": self._sender,
                "Destination": {"ToAddresses": [letter.to]},
                "Content": {
                    "Simple": {
                        "Subject": _utf8(letter.subject),
                        "Body": {"Text": _utf8(letter.text)},
                    }
                },
            }
        ).encode()
        try:
            ahead = self._signer.ahead
            answer = self._post(body)
            if answer.status == 403 and self._signer.corrected(answer.date, ahead):
                answer = self._post(body)
        except OSError as error:
            metrics.unavailable("ses")
            raise MailRefused(type(error).__name__) from None
        if answer.status >= 500:
            metrics.unavailable("ses")
        if answer.status != 200:
            raise MailRefused(str(answer.status))

    def _post(self, body: bytes) -> Answer:
        headers = self._signer.headers("POST", self._http.host, self._path, body, _HEADERS)
        return self._http.exchange("POST", self._path, headers, body)


def _utf8(text: str) -> dict[str, str]:
    return {"Data": text, "Charset": "UTF-8"}
