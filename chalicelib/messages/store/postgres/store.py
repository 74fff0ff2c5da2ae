"""The message store on PostgreSQL: its parts."""

from chalicelib.drivers.postgres import Postgres
from chalicelib.messages.store import MessageStore
from chalicelib.messages.store.postgres.chats import PostgresChats
from chalicelib.messages.store.postgres.cursors import PostgresCursors
from chalicelib.messages.store.postgres.outbox import PostgresOutbox
from chalicelib.messages.store.postgres.timeline import PostgresTimeline


class PostgresStore(MessageStore):
    """Four parts that share a connection."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self.chats = PostgresChats(postgres)
        self.timeline = PostgresTimeline(postgres)
        self.outbox = PostgresOutbox(postgres)
        self.cursors = PostgresCursors(postgres)

    def ping(self) -> None:
        self._postgres.ping()
