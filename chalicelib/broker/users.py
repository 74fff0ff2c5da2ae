"""RabbitMQ's users: the administrator, one for functions that may only use our queues, and one for
each service that consumes events.

Amazon MQ makes one user, an administrator. We make all others over the management API, which can be
reached only inside the network.
"""

import base64
import json
import logging
import secrets
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from pydantic import BaseModel, Field, ValidationError

from chalicelib.config import SettingsInvalid
from chalicelib.drivers.http import KeptConnections
from chalicelib.errors.counted import unavailable
from chalicelib.logins import is_login, login

log = logging.getLogger(__name__)

OURS = r"^(parley\..+|push\..+)$"
RIGHTS = {
    "configure": OURS,
    # We and RabbitMQ send dead letters through the default exchange.
    "write": r"^(parley\..+|push\..+|amq\.default)$",
    "read": OURS,
}
"""Regular expressions over the names of exchanges and queues."""


class Administrator(BaseModel):
    """The setting BROKER_ADMIN. The last password is the current one; earlier ones may still be in
    use."""

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
            secret = unquote(urlsplit(amqp_url).password or "")
            self._put(http, password, _name(amqp_url), secret, RIGHTS)

    def put(
        self,
        name: str,
        secret: str,
        rights: Mapping[str, str],
        *,
        limits: Mapping[str, int],
    ) -> None:
        """Make a user with these rights, or replace its rights. They are set before the password,
        so that it can never sign in with more."""
        with closing(KeptConnections(self._admin.url)) as http:
            password = self._password(http)
            unusable = secrets.token_urlsafe(32)
            self._put(http, password, name, unusable, rights)
            for limit, value in limits.items():
                self._ask(http, password, "PUT", f"user-limits/{name}/{limit}", {"value": value})
            self._ask(http, password, "PUT", f"users/{name}", {"password": secret, "tags": ""})

    def delete(self, name: str) -> None:
        """Delete a user, which ends its connections. Safe to repeat."""
        with closing(KeptConnections(self._admin.url)) as http:
            password = self._password(http)
            self._ask(http, password, "DELETE", f"users/{name}", may_be_missing=True)

    def amqp_url(self, url: str) -> str:
        """A URL of RabbitMQ, as the administrator."""
        with closing(KeptConnections(self._admin.url)) as http:
            user = f"{quote(self._admin.username, '')}:{quote(self._password(http), '')}"
        place = urlsplit(url)
        return place._replace(netloc=f"{user}@{place.netloc.rpartition('@')[2]}").geturl()

    def retire(self, amqp_url: str) -> list[str]:
        """Delete the users of other generations than the URL's, which ends their connections."""
        with closing(KeptConnections(self._admin.url)) as http:
            password = self._password(http)
            found = json.loads(self._ask(http, password, "GET", "users"))
            names = sorted(each["name"] for each in found)
            old = [name for name in names if is_login(name) and name != _name(amqp_url)]
            for name in old:
                self._ask(http, password, "DELETE", f"users/{name}")
        return old

    def _put(
        self,
        http: KeptConnections,
        password: str,
        name: str,
        secret: str,
        rights: Mapping[str, str],
    ) -> None:
        self._ask(http, password, "PUT", f"users/{name}", {"password": secret, "tags": ""})
        self._ask(http, password, "PUT", f"permissions/%2F/{name}", rights)

    def _password(self, http: KeptConnections) -> str:
        """The newest password that RabbitMQ accepts from the administrator."""
        for password in reversed(self._admin.passwords):
            if self._send(http, password, "GET", "whoami")[0] == 200:
                return password
        log.warning("rabbitmq refuses its administrator")
        raise unavailable("rabbitmq management")

    def _ask(
        self,
        http: KeptConnections,
        password: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        may_be_missing: bool = False,
    ) -> bytes:
        status, answer = self._send(http, password, method, path, body)
        if not 200 <= status < 300 and not (may_be_missing and status == 404):
            log.warning("rabbitmq refuses", extra={"status": status, "cause": f"{method} {path}"})
            raise unavailable("rabbitmq management")
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
            raise unavailable("rabbitmq management") from error


def _name(amqp_url: str) -> str:
    return login("AMQP_URL", unquote(urlsplit(amqp_url).username or ""))
