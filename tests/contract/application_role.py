"""Stores sign in as functions do: with a role that reads and writes rows, and nothing else.

So every contract test also shows that the role may do what the application does.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from chalicelib import logins, roles, schema
from chalicelib.admin.store import RIGHTS
from chalicelib.drivers.postgres import Postgres

_migrated: set[str] = set()

LOGIN = f"{logins.GROUP}_1"
PASSWORD = "of-the-application"


def application(url: str) -> str:
    """The same database, for the role of functions."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{LOGIN}:{PASSWORD}@{host}").geturl()


@contextmanager
def installed() -> Iterator[None]:
    """After `schema.migrate`, `Postgres` signs in to that database as the application's role."""
    opened, migrate = Postgres.__init__, schema.migrate
    owner = threading.local()

    def open_(self: Postgres, url: str, *rest: Any, **more: Any) -> None:
        ours = url in _migrated and not getattr(owner, "at_work", False)
        opened(self, application(url) if ours else url, *rest, **more)

    def migrate_(url: str, then: Callable[[str], None] = lambda url: None) -> None:
        owner.at_work = True
        try:
            migrate(url, then=lambda url: roles.ensure(url, application(url), RIGHTS))
            then(url)
        finally:
            owner.at_work = False
        _migrated.add(url)

    # The defaults of the two must stay the same.
    setattr(open_, "__kwdefaults__", opened.__kwdefaults__)  # noqa: B010

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Postgres, "__init__", open_)
        patch.setattr(schema, "migrate", migrate_)
        yield
