"""Tags of bodies, so that a browser fetches a body again only when it changed."""

import base64
import hashlib

from aiohttp import web


def digest(body: bytes) -> str:
    """The SHA-256 of a body, in Base64."""
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def is_known(request: web.BaseRequest, etag: str) -> bool:
    """Whether the browser has the body already: `If-None-Match` names it.

    Proxies that compress make a tag weak. It still names the same body (RFC 9110, 13.1.2).
    """
    known = request.headers.get("If-None-Match", "")
    return any(one.strip().removeprefix("W/") in ("*", etag) for one in known.split(","))
