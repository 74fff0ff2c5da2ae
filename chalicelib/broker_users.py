"""RabbitMQ's users: the administrator, and one for functions that may only use our queues.

Amazon MQ makes one user, an administrator. All others are made over the management API, which
answers inside the network only.
"""

import base64
import json
import logging
import re
from collections.abc import Sequence
from contextlib import closing
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from pydantic import BaseModel, Field, ValidationError

from chalicelib.config import SettingsInvalid
from chalicelib.errors import Unavailable
from chalicelib.http import KeptConnections

log = logging.getLogger(__name__)

LOGIN = re.compile(r"^parley_app_[0-9]+$")

OURS = r"^(parley\..+|push\..+)$"
RIGHTS = {
    "configure": OURS,
    # Dead records go through the default exchange, from us and from RabbitMQ.
    "write": r"^(parley\..+|push\..+|amq\.default)$",
    "read": OURS,
}
"""Regular expressions over the names of exchanges and queues."""


class Administrator(BaseModel):
    """What the setting BROKER_ADMIN holds. The last password is the one that counts; those before
    it may still be in use."""

    url: str = Field(pattern=r"^https?://")
    username: str
    passwords: Sequence[str] = Field(min_length=1)


class BrokerUsers:
    """Every method may be repeated, and raises Unavailable if RabbitMQ fails or refuses."""

    def __init__(self, administrator: str) -> None:
        """`administrator` is the setting BROKER_ADMIN. Raises SettingsInvalid."""
        try:
            self._admin = Administrator.model_validate_json(administrator)
        except ValidationError:
            raise SettingsInvalid(
                "Settings are malformed: BROKER_ADMIN: not a url, a username and passwords"
            ) from None

    def ensure(self, amqp_url: str) -> None:
        """Set the administrator's newest password, and make the user that a URL names."""
        with closing(KeptConnections(self._admin.url)) as http:
            password = self._admin.passwords[-1]
            if (used := self._password(http)) != password:
                body = {"password": password, "tags": "administrator"}
                self._ask(http, used, "PUT", f"users/{quote(self._admin.username, '')}", body)
            name = _name(amqp_url)
            secret = unquote(urlsplit(amqp_url).password or "")
            self._ask(http, password, "PUT", f"users/{name}", {"password": secret, "tags": ""})
            self._ask(http, password, "PUT", f"permissions/%2F/{name}", RIGHTS)

    def retire(self, amqp_url: str) -> list[str]:
        """Delete the users of other generations than the URL's, which ends their connections."""
        with closing(KeptConnections(self._admin.url)) as http:
            password = self._password(http)
            found = json.loads(self._ask(http, password, "GET", "users"))
            names = sorted(each["name"] for each in found)
            old = [name for name in names if LOGIN.match(name) and name != _name(amqp_url)]
            for name in old:
                self._ask(http, password, "DELETE", f"users/{name}")
        return old

    def _password(self, http: KeptConnections) -> str:
        """The newest password that the administrator is let in with."""
        for password in reversed(self._admin.passwords):
            if self._send(http, password, "GET", "whoami")[0] == 200:
                return password
        log.warning("rabbitmq refuses its administrator")
        raise Unavailable("rabbitmq management")

    def _ask(
        self, http: KeptConnections, password: str, method: str, path: str, body: Any = None
    ) -> bytes:
        status, answer = self._send(http, password, method, path, body)
        if not 200 <= status < 300:
            log.warning("rabbitmq refuses", extra={"status": status, "cause": f"{method} {path}"})
            raise Unavailable("rabbitmq management")
        return answer

    def _send(
        self, http: KeptConnections, password: str, method: str, path: str, body: Any = None
    ) -> tuple[int, bytes]:
        credentials = f"{self._admin.username}:{password}".encode()
        headers = {
            "host": http.host,
            "authorization": f"Basic {base64.b64encode(credentials).decode()}",
            "content-type": "application/json",
        }
        text = b"" if body is None else json.dumps(body).encode()
        try:
            return http.ask(method, f"/api/{path}", headers, text)
        except OSError as error:
            raise Unavailable("rabbitmq management") from error


def _name(amqp_url: str) -> str:
    name = unquote(urlsplit(amqp_url).username or "")
    if not LOGIN.match(name):
        raise SettingsInvalid("Settings are malformed: AMQP_URL: its user is not parley_app_<n>")
    return name
