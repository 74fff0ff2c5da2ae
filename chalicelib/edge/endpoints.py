"""The declarations of routes. The OpenAPI document is made from them."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from pydantic import TypeAdapter

from chalicelib.errors import AppError
from chalicelib.limits.table import TABLE

T = TypeVar("T")

Readers = Literal["settings", "programs", "everybody"]
"""Pages of which origins may read an answer: those of the setting CORS_ORIGINS; those and the pages
of public OAuth clients; all. No page sends cookies."""


@dataclass(frozen=True)
class Reply(Generic[T]):
    """A view's answer with its status, if the status depends on what happened."""

    body: T
    status: int


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A view's answer in the form that a protocol or a browser needs: a page, a redirect, or an
    object with its own headers."""

    status: int = 200
    body: str | dict[str, Any] = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A route.

    `statuses`: of its answers; the first one unless the view returns a `Reply` or an `Answer`.
    `errors`: those that its service raises; those of every route of its kind are added.
    `limit`: a class of chalicelib/limits/table.py; its target is the chat of the path.
    `page`: for a route that answers with HTML: makes the page that shows an error. No script of
    another origin may call such a route.
    `told`: adds members that a protocol wants in its errors, which are then application/json.
    `public`: caches may keep the answer for PUBLIC_SECONDS.
    `hints`: the annotations of the view; `adapters` validate the parameters of the path.
    """

    method: str
    path: str
    view: Callable[..., Any]
    hints: dict[str, Any] = field(repr=False)
    tag: str
    scope: str | None
    limit: str
    statuses: tuple[int, ...]
    errors: tuple[type[AppError], ...]
    page: Callable[[str], Answer] | None
    told: Callable[[AppError], dict[str, str]] | None
    public: bool
    readers: Readers
    adapters: Mapping[str, TypeAdapter[Any]] = field(repr=False)

    @property
    def path_parameters(self) -> list[str]:
        return [*self.adapters]

    @property
    def open(self) -> bool:
        """Whether all callers get the same answer. Such a route also answers HEAD (RFC 9110,
        section 9.3.2)."""
        return _is_open(self.method, self.limit)


ENDPOINTS: list[Endpoint] = []
"""All routes, in the order in which they were declared."""


def declare(one: Endpoint) -> None:
    """Add a route. Raises TypeError if its declaration contradicts its view."""
    route = f"{one.method} {one.path}"
    if one.limit not in TABLE:
        raise TypeError(f"{route}: there is no class of limits called {one.limit}")
    if ("identity" in one.hints or "program" in one.hints) != (one.scope is not None):
        raise TypeError(f"{route}: a view takes a caller if, and only if, it has a scope")
    ENDPOINTS.append(one)


def usual_readers(method: str, limit: str) -> Readers:
    """The readers of a route that names none."""
    return "everybody" if _is_open(method, limit) else "settings"


def usual_limit(scope: str | None, hints: Mapping[str, Any]) -> str:
    """The class of limits of a route that names none."""
    if scope is None:
        return "anonymous"
    return "program" if "program" in hints else "default"


def adapters_of(path: str, hints: Mapping[str, Any]) -> dict[str, TypeAdapter[Any]]:
    """The validator of each path parameter, by the annotations of the view."""
    return {name: TypeAdapter(hints[name]) for name in hints if f"{{{name}}}" in path}


def by_name(view: Callable[..., T], parameters: Iterable[str]) -> Callable[..., T]:
    """Give a view these parameters, for Chalice: it calls a view with the names in the path, and
    would otherwise read the signature of the wrapped view."""
    kind = inspect.Parameter.KEYWORD_ONLY
    given = [inspect.Parameter(name, kind) for name in parameters]
    view.__signature__ = inspect.Signature(given)  # type: ignore[attr-defined]
    return view


def _is_open(method: str, limit: str) -> bool:
    return method == "GET" and limit == "open"
