"""A group in a store under test. No route makes groups yet, so its rows are written directly."""

from collections.abc import Sequence
from datetime import datetime

from chalicelib.ids import new_id
from chalicelib.messages.store import MessageStore
from chalicelib.messages.store.mongo.store import MongoStore
from chalicelib.messages.store.postgres.store import PostgresStore
from chalicelib.wire import now
from tests.fake_message_store import FakeMessageStore


def make_group(store: MessageStore, user_ids: Sequence[str], title: str = "Friends") -> str:
    """Make a group without messages, and return its id."""
    chat_id, at = new_id(), now()
    match store:
        case FakeMessageStore():
            store.make_group(chat_id, user_ids, title, at)
        case MongoStore():
            _in_mongo(store, chat_id, user_ids, title, at)
        case PostgresStore():
            _in_postgres(store, chat_id, user_ids, title, at)
        case _:
            raise TypeError(f"not a store that is tested: {store}")
    return chat_id


def _in_mongo(
    store: MongoStore, chat_id: str, user_ids: Sequence[str], title: str, at: datetime
) -> None:
    store._db.memberships.insert_many(
        {
            "_id": f"{chat_id}:{user_id}",
            "chat_id": chat_id,
            "user_id": user_id,
            "role": "member",
            "joined_rev": 0,
            "read_seq": 0,
            "delivered_seq": 0,
        }
        for user_id in user_ids
    )
    store._db.chats.insert_one(
        {
            "_id": chat_id,
            "kind": "group",
            "title": title,
            "member_ids": list(user_ids),
            "member_count": len(user_ids),
            "answered": True,
            "last_rev": 0,
            "created_at": at,
            "last_activity_at": at,
        }
    )


def _in_postgres(
    store: PostgresStore, chat_id: str, user_ids: Sequence[str], title: str, at: datetime
) -> None:
    with store._postgres.cursor() as cursor:
        cursor.execute(
            "WITH made AS (INSERT INTO chats"
            " (id, kind, title, member_count, created_at, last_activity_at)"
            " VALUES (%(id)s, 'group', %(title)s, %(count)s, %(at)s, %(at)s) RETURNING id)"
            " INSERT INTO memberships (chat_id, user_id)"
            " SELECT id, unnest(%(user_ids)s::uuid[]) FROM made",
            {
                "id": chat_id,
                "title": title,
                "count": len(user_ids),
                "at": at,
                "user_ids": list(user_ids),
            },
        )
