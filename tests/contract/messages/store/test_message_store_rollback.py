"""What a store does with content that a later version of the code wrote, which was rolled back."""

from datetime import timedelta

import pytest
from psycopg.types.json import Jsonb

from chalicelib.messages.content import TextContent
from chalicelib.messages.models.messages import Message
from chalicelib.messages.store import MessageStore
from chalicelib.messages.store.mongo.store import MongoStore
from chalicelib.messages.store.postgres.store import PostgresStore
from chalicelib.wire import now
from tests.contract.messages.store.room import Room
from tests.messaging import made

LATER = timedelta(minutes=1)
UNKNOWN = {"kind": "poll", "question": "When?"}


def write(store: MessageStore, message: Message, content: dict[str, str]) -> None:
    """Give a message a content that `Content` may not know."""
    match store:
        case MongoStore():
            of_message = {"_id": message.id}
            store._db.messages.update_one(of_message, {"$set": {"content": content}})
        case PostgresStore():
            with store._postgres.cursor() as cursor:
                query = "UPDATE messages SET content = %s WHERE id = %s"
                cursor.execute(query, (Jsonb(content), message.id))


@pytest.mark.parametrize("connect", ["mongo", "postgres"], indirect=True)
@pytest.mark.parametrize("limit", [1, 2, 9])
def test_g1_content_that_is_not_understood_holds_up_no_other_change(room: Room, limit: int) -> None:
    messages = [room.append(room.new(room.ana)).message for _ in range(5)]
    outbox = room.store.outbox
    for message in messages[:2] + messages[3:4]:
        write(room.store, message, UNKNOWN)
    found: list[int] = []
    after = None
    while batch := outbox.pending(before=now() + LATER, limit=limit, after=after):
        found += [change.rev for change in batch]
        after = (batch[-1].at, batch[-1].chat_id, batch[-1].rev)

    assert found == [3, 5]
    for rev in found:
        outbox.settle(made(messages[rev - 1]))
    assert outbox.pending(before=now() + LATER, limit=limit) == []
    # The later version of the code is back.
    for message in messages:
        write(room.store, message, TextContent(kind="text", text="again").model_dump())
    assert [one.rev for one in outbox.pending(before=now() + LATER, limit=9)] == [1, 2, 4]
