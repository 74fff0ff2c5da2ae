"""Who is calling, and from where."""

from dataclasses import dataclass

from chalicelib.scopes import SCOPES


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """An authenticated caller: a user, with their session and scopes."""

    user_id: str
    session_id: str
    scopes: frozenset[str] = SCOPES["user"]
    client_id: str | None = None
    connection_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """An authenticated caller that is not a user: an OAuth client in its own name."""

    id: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a request comes from, by the gateway; never from headers such as X-Forwarded-For."""

    address: str
    user_agent: str
