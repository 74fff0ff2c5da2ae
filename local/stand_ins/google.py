"""A stand-in for Google's sign-in: a page to choose an identity on, and the keys of its ID tokens.

It answers as Google does to `response_type=id_token`: with a redirect that has the token in the
fragment (OpenID Connect Core, section 3.2). It accepts any identity.
"""

import hashlib
import secrets
import time
from html import escape
from typing import Any
from urllib.parse import urlencode, urlsplit

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from local.gateways.server import HttpServer

CLIENT_ID = "parley-local"
TOKEN_SECONDS = 3600
_ASKED = ("client_id", "redirect_uri", "response_type", "scope", "nonce", "state")
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sign in - a stand-in for Google</title>
<main>
<h1>A stand-in for Google</h1>
<p>It believes what you type, and signs it.</p>
<form action="choose">{hidden}
<p><label>E-mail <input name="email" type="email" required maxlength="200"></label>
<p><label>Name <input name="name" maxlength="64"></label>
<p><label><input type="checkbox" name="managed"> an address of an organization at Google</label>
<p><button>Sign in</button></form></main></html>"""


class Google(HttpServer):
    """Serves at `url`."""

    def __init__(self, *, url: str) -> None:
        self.url = url
        self._keys: dict[str, rsa.RSAPrivateKey] = {}
        self.rotate()

    def rotate(self) -> None:
        """Sign with a new key; the one before is still published."""
        kept = list(self._keys.items())[-1:]
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._keys = {**dict(kept), secrets.token_hex(8): key}

    def id_token(self, *, email: str, nonce: str, **claims: Any) -> str:
        """A token as Google signs it."""
        kid, key = list(self._keys.items())[-1]
        now = int(time.time())
        about = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "azp": CLIENT_ID,
            "sub": str(int(hashlib.sha256(email.encode()).hexdigest()[:16], 16)),
            "email": email,
            "email_verified": True,
            "nonce": nonce,
            "iat": now,
            "exp": now + TOKEN_SECONDS,
        }
        return jwt.encode({**about, **claims}, key, algorithm="RS256", headers={"kid": kid})

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        if (request.method, request.path) == ("GET", "/certs"):
            return web.json_response({"keys": [_jwk(*one) for one in self._keys.items()]})
        if request.method != "GET" or request.path not in ("/authorize", "/choose"):
            return web.Response(status=404, text="Not found.")
        asked = {name: request.query.get(name, "") for name in _ASKED}
        if problem := _problem(asked):
            return web.Response(status=400, text=problem)
        if request.path == "/authorize":
            return _form(asked)
        return self._back(asked, request)

    def _back(self, asked: dict[str, str], request: web.BaseRequest) -> web.Response:
        email = request.query.get("email", "").strip()
        if "@" not in email:
            return web.Response(status=400, text="Type an e-mail address.")
        claims: dict[str, Any] = {"name": request.query.get("name", "")}
        if "managed" in request.query:
            claims["hd"] = email.partition("@")[2]
        token = self.id_token(email=email, nonce=asked["nonce"], **claims)
        fragment = urlencode({"id_token": token, "state": asked["state"]})
        headers = {"Location": f"{asked['redirect_uri']}#{fragment}", "Cache-Control": "no-store"}
        return web.Response(status=303, headers=headers)


def _problem(asked: dict[str, str]) -> str | None:
    if asked["client_id"] != CLIENT_ID:
        return "This client is not known here."
    if urlsplit(asked["redirect_uri"]).hostname not in ("127.0.0.1", "localhost"):
        return "This address is on another machine."
    if asked["response_type"] != "id_token" or not asked["nonce"] or "openid" not in asked["scope"]:
        return "Ask for response_type=id_token, with a nonce, and the scope openid."
    return None


def _form(asked: dict[str, str]) -> web.Response:
    hidden = "".join(
        f'<input type="hidden" name="{name}" value="{escape(value)}">'
        for name, value in asked.items()
    )
    back = urlsplit(asked["redirect_uri"])
    headers = {
        "Content-Security-Policy": (
            f"default-src 'none'; form-action 'self' {back.scheme}://{back.netloc};"
            " frame-ancestors 'none'; base-uri 'none'"
        ),
        "Cache-Control": "no-store",
    }
    page = _PAGE.replace("{hidden}", hidden)
    return web.Response(text=page, content_type="text/html", headers=headers)


def _jwk(kid: str, key: rsa.RSAPrivateKey) -> dict[str, Any]:
    public = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**public, "kid": kid, "alg": "RS256", "use": "sig"}
