"""What tests of the provider share: registered programs, and a user's browser."""

import base64
import hashlib
import html
import re
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import httpx

from tests.client import PASSWORD, User
from tests.cloud import Cloud

CALLBACK = "https://program.example/callback?kind=web"
GOODBYE = "https://program.example/goodbye"
VERIFIER = secrets.token_urlsafe(32)
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode()[:43]
SCOPES = ["openid", "profile", "email", "users.read", "chats.read", "chats.write"]


@dataclass
class Program:
    """A registered client."""

    id: str
    secret: str | None

    @property
    def auth(self) -> tuple[str, str] | None:
        return (self.id, self.secret) if self.secret else None


def registered(cloud: Cloud, **changes: Any) -> Program:
    """Registers a program by the command. It is confidential by default."""
    client = {
        "name": "Shoe & Sons <shop>",
        "redirect_uris": [CALLBACK],
        "post_logout_redirect_uris": [GOODBYE],
        "scopes": SCOPES,
        "confidential": True,
        **changes,
    }
    answer = cloud.maintain(task="oauth-client", client=client)
    return Program(answer["client_id"], answer["client_secret"])


class Page:
    """An answer to a browser."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.status = response.status_code
        self.text = response.text
        self.location = response.headers.get("location", "")

    @property
    def title(self) -> str:
        found = re.search("<h1>(.*?)</h1>", self.text)
        return html.unescape(found[1]) if found else ""

    @property
    def back(self) -> dict[str, str]:
        """The parameters in the redirect to the program."""
        return {name: values[0] for name, values in parse_qs(urlsplit(self.location).query).items()}

    def form(self) -> tuple[str, dict[str, str]]:
        """The address of its first form, and the hidden fields."""
        action = re.search('<form method="post" action="(.*?)">', self.text)
        assert action, self.text
        hidden = re.findall('<input type="hidden" name="(.*?)" value="(.*?)">', self.text)
        return urljoin(str(self.response.url), html.unescape(action[1])), dict(hidden)


class Browser:
    """Keeps cookies, and follows no redirect."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(timeout=40)

    def get(self, path: str, **query: str) -> Page:
        return Page(self.http.get(f"{self.url}{path}", params=query))

    def visit(self, url: str) -> Page:
        return Page(self.http.get(url))

    def submit(self, page: Page, do: str, **fields: str) -> Page:
        """Press a button of the page's form."""
        action, hidden = page.form()
        return Page(self.http.post(action, data={**hidden, "do": do, **fields}))

    def sign_in(self, page: Page, user: User) -> Page:
        return self.submit(page, "sign_in", login=user.username, password=PASSWORD)

    def agree(self, url: str, user: User) -> Page:
        """Sign in, and allow what a program asks for, if the page asks."""
        page = self.visit(url)
        if page.title.startswith("Sign in"):
            page = self.sign_in(page, user)
        return self.submit(page, "allow") if page.title.startswith("Allow") else page


def asking(url: str, program: Program, **changes: str | None) -> str:
    """The address that a program sends users to; a change to None leaves a parameter out."""
    good = {
        "response_type": "code",
        "client_id": program.id,
        "redirect_uri": CALLBACK,
        "scope": "openid profile email chats.read",
        "state": "st&te",
        "nonce": "n0nce",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **changes,
    }
    query = urlencode({name: value for name, value in good.items() if value is not None})
    return f"{url}/oauth2/authorize?{query}"


def post(url: str, path: str, program: Program, **form: str) -> httpx.Response:
    """A request of a program itself, with its secret in the header if it has one."""
    if program.secret is None:
        form["client_id"] = program.id
    return httpx.post(f"{url}{path}", data=form, auth=program.auth, timeout=40)


def trade(url: str, program: Program, code: str, /, **changes: str) -> httpx.Response:
    """Trade a code for tokens."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
        **changes,
    }
    return post(url, "/oauth2/token", program, **form)


def code_for(browser: Browser, program: Program, user: User, **changes: str | None) -> str:
    """A fresh code."""
    page = browser.agree(asking(browser.url, program, **changes), user)
    assert page.status == 303, page.text
    return page.back["code"]


def granted(browser: Browser, program: Program, user: User, **changes: str | None) -> Any:
    """Fresh tokens."""
    answer = trade(browser.url, program, code_for(browser, program, user, **changes))
    assert answer.status_code == 200, answer.text
    return answer.json()


def call(url: str, path: str, token: str, method: str = "GET") -> httpx.Response:
    """A request of a program for a user."""
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.request(method, f"{url}{path}", headers=headers, timeout=40)


def refused(answer: httpx.Response, error: str, status: int = 400) -> None:
    """Checks that an answer is a refusal with this error."""
    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text
    assert answer.headers["cache-control"] == "no-store"


def refreshed(browser: Browser, program: Program, token: str, **more: str) -> httpx.Response:
    form = {"grant_type": "refresh_token", "refresh_token": token, **more}
    return post(browser.url, "/oauth2/token", program, **form)


def introspected(url: str, program: Program, token: str) -> Any:
    answer = post(url, "/oauth2/introspect", program, token=token)
    assert answer.status_code == 200, answer.text
    return answer.json()
