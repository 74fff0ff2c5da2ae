"""Stores sign in as functions do: with a role that reads and writes rows, and nothing else.

So every contract test also shows that the role may do what the application does.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from chalicelib import roles, schema
from chalicelib.postgres import Postgres

LOGIN = f"{roles.GROUP}_1"
PASSWORD = "of-the-application"


def application(url: str) -> str:
    """The same database, for the role of functions."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{LOGIN}:{PASSWORD}@{host}").geturl()


@contextmanager
def installed() -> Iterator[None]:
    """After `schema.migrate`, whoever opens that database through `Postgres` is the application."""
    opened, migrate = Postgres.__init__, schema.migrate
    migrated: set[str] = set()
    owner = threading.local()

    def open_(self: Postgres, url: str) -> None:
        ours = url in migrated and not getattr(owner, "at_work", False)
        opened(self, application(url) if ours else url)

    def migrate_(url: str) -> None:
        owner.at_work = True
        try:
            migrate(url, then=lambda url: roles.ensure(url, application(url)))
        finally:
            owner.at_work = False
        migrated.add(url)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Postgres, "__init__", open_)
        patch.setattr(schema, "migrate", migrate_)
        yield
