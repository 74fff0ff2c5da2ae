"""Changes of chats that no route makes yet, made in the store of a running cloud. A job delivers
them."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from chalicelib.drivers.postgres import Postgres
from chalicelib.messages.content import TextContent
from chalicelib.messages.models.changes import Change
from chalicelib.messages.store import MessageStore, found
from chalicelib.messages.store.mongo.store import MongoStore
from chalicelib.messages.store.postgres.store import PostgresStore
from tests.cloud import Cloud
from tests.contract.messages.store.groups import make_group


class StoredChanges:
    """Makes changes of chats in the store. Users are given by their ids."""

    def __init__(self, store: MessageStore) -> None:
        self._store = store

    def edit(self, chat_id: str, seq: int, by: str, text: str) -> Change | None:
        """None if the message is deleted."""
        content = TextContent(kind="text", text=text)
        return self._store.timeline.revise(chat_id, seq, member=by, content=content)

    def delete(self, chat_id: str, seq: int, by: str) -> Change | None:
        """None if the message is deleted already."""
        return self._store.timeline.revise(chat_id, seq, member=by, content=None)

    def group(self, title: str, *user_ids: str) -> str:
        """The id of a new group."""
        return make_group(self._store, user_ids, title)

    def rename(self, chat_id: str, by: str, title: str) -> Change:
        return found(self._store.chats.rename(chat_id, member=by, title=title))


@contextmanager
def stored_in(cloud: Cloud) -> Iterator[StoredChanges]:
    url: str = cloud.about["environment"]["MESSAGES_URL"]
    if url.startswith("mongodb"):
        with closing(MongoStore(url)) as store:
            yield StoredChanges(store)
    else:
        with closing(Postgres(url)) as postgres:
            yield StoredChanges(PostgresStore(postgres))
