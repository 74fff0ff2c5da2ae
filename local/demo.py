"""Fills two demo accounts and a chat over HTTP. Safe to repeat."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

TIMEOUT = 30.0


class DemoFailed(Exception):
    """The API refused a request. The text says which."""


@dataclass(frozen=True)
class Account:
    """A demo account. Its password need not be secret: it exists on this machine only."""

    username: str
    display_name: str
    password: str

    @property
    def email(self) -> str:
        return f"{self.username}@example.com"


ADA = Account("ada", "Ada Okafor", "lantern-harbour-42-quiet")
BEN = Account("ben", "Ben Lindqvist", "meadow-compass-17-amber")
ACCOUNTS = (ADA, BEN)

LINES = (
    (ADA, "Hi Ben! Did you get the tickets?"),
    (BEN, "Two seats, third row. The train leaves at 18:04."),
    (ADA, "Perfect. I'll bring something to eat."),
)


def fill(base: str) -> None:
    """Make the accounts and their chat where they are missing. Raises DemoFailed."""
    tokens: dict[str, str] = {}
    ids: dict[str, str] = {}
    try:
        for account in ACCOUNTS:
            signed_in = _sign_in(base, account)
            tokens[account.username] = signed_in["access_token"]
            ids[account.username] = signed_in["user"]["id"]
        chat = _call(
            base,
            "POST",
            "/v1/chats",
            {"kind": "direct", "user_id": ids[BEN.username]},
            tokens[ADA.username],
        )
        path = f"/v1/chats/{chat['id']}"
        said = 0
        for number, (author, text) in enumerate(LINES):
            token = tokens[author.username]
            # A fixed client_id: a message that is already there is not sent twice.
            message = {"client_id": f"demo-{number}", "content": {"kind": "text", "text": text}}
            if said:  # who answers a message has read it
                _call(base, "POST", f"{path}/read", {"seq": said}, token)
            said = _call(base, "POST", f"{path}/messages", message, token)["seq"]
    finally:
        for token in tokens.values():
            _call(base, "POST", "/v1/auth/logout", None, token)


def _sign_in(base: str, account: Account) -> dict[str, Any]:
    given = {"login": account.username, "password": account.password, "device_name": "Demo"}
    try:
        return _call(base, "POST", "/v1/auth/login", given)
    except DemoFailed:
        return _call(
            base,
            "POST",
            "/v1/auth/register",
            {
                "email": account.email,
                "username": account.username,
                "password": account.password,
                "display_name": account.display_name,
            },
        )


def _call(
    base: str, method: str, path: str, body: dict[str, Any] | None, token: str | None = None
) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310 (our own address)
        base + path, method=method, data=None if body is None else json.dumps(body).encode()
    )
    request.add_header("Content-Type", "application/json")
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
            text = answer.read()
    except urllib.error.HTTPError as refusal:
        problem = refusal.read().decode(errors="replace")
        raise DemoFailed(f"{method} {path} answered {refusal.code}: {problem}") from None
    except OSError as error:
        raise DemoFailed(f"{method} {path} failed: {error}") from None
    return json.loads(text) if text else {}
