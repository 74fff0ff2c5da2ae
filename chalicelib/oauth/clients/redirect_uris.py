"""Redirect URIs: which can be registered, and which addresses match a registered one."""

import re
from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from chalicelib.text.sentences import wrong

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_LOOPBACK_WITH_PORT = re.compile(
    r"(http://(?:127\.0\.0\.1|\[::1\]|localhost)):([1-9][0-9]{0,4})((?:[/?].*)?)", re.IGNORECASE
)
_PRIVATE_SCHEME = re.compile(r"[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+")
# The characters of RFC 3986 without quotes, "*", ";", "," and others: those have a meaning in the
# header fields and in the page that an address is written to, or to code that adds parameters.
_URI = re.compile(r"(?:[A-Za-z0-9\-._~:/?\[\]@!&()+=]|%[0-9A-Fa-f]{2}){1,512}")
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?|[0-9a-f.]*:[0-9a-f:.]*")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def checked(value: str) -> str:
    """The same address, if it can be registered. Raises PydanticCustomError."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise wrong("not_a_redirect_uri", "This is not an address.") from None
    if not _URI.fullmatch(value) or "@" in parts.netloc or {"[", "]"} & set(parts.query):
        raise wrong(
            "not_a_redirect_uri",
            "An address to send users to cannot have a user name, or some of these characters.",
        )
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        if not _HOST.fullmatch(parts.hostname or ""):
            raise wrong("not_a_redirect_uri", "This address names no host.")
    elif not _PRIVATE_SCHEME.fullmatch(parts.scheme):
        raise wrong(
            "not_a_redirect_uri",
            "Begin it with https://, with http:// and a loopback address, or with com.example: .",
        )
    return value


def matches(uri: str, registered: Collection[str]) -> bool:
    """Whether an address is registered. It must be equal, character by character. Only the port of
    a loopback address may differ, if the address was registered without one (RFC 8252, section
    7.3)."""
    return uri in registered or without_port(uri) in registered


def without_port(uri: str) -> str | None:
    """An `http` loopback address without its port, which stands for all ports; None for others."""
    found = _LOOPBACK_WITH_PORT.fullmatch(uri)
    return found[1] + found[3] if found and int(found[2]) < 65536 else None


def origin_of(uri: str) -> str:
    """What a browser calls the origin of an address; empty for an app's own scheme."""
    parts = urlsplit(uri)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    default = parts.port in (None, _DEFAULT_PORTS[parts.scheme])
    return f"{parts.scheme}://{host}" + ("" if default else f":{parts.port}")


def form_target(uri: str) -> str:
    """An address as a Content-Security-Policy names it in `form-action`: by its scheme alone.
    Chromium applies that policy to every redirect after a form, also to redirects of the program,
    which may send the user on to another host."""
    return f"{urlsplit(uri).scheme}:"


def is_claimed(uri: str) -> bool:
    """Whether an address has an owner: an https address that is not on the device itself (RFC 8252,
    section 7.2)."""
    parts = urlsplit(uri)
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme != "https" or host == "localhost" or host.endswith(".localhost"):
        return False
    try:
        address = ip_address(host)
    except ValueError:  # a name; to browsers, one whose last label is a number is an address
        return re.fullmatch(r"[0-9]+|0x[0-9a-f]*", host.rpartition(".")[2]) is None
    mapped = getattr(address, "ipv4_mapped", None) or address
    return not (mapped.is_loopback or mapped.is_unspecified)
