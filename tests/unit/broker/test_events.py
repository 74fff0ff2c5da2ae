"""Events name only users of one queue, and not too many."""

from chalicelib.broker.pushes import PUSH_SHARDS, USERS_PER_EVENT, MessageUnread, shard_of
from chalicelib.ids import new_id
from chalicelib.wire import now


def unread(user_ids: list[str]) -> MessageUnread:
    return MessageUnread(
        message_id=new_id(),
        chat_id=new_id(),
        seq=1,
        sender_id=new_id(),
        preview="Hello",
        sent_at=now(),
        user_ids=user_ids,
    )


def test_a_user_is_always_in_the_same_shard() -> None:
    assert shard_of("0191e1a0-0000-7000-8000-000000000001") == 2


def test_users_spread_over_all_shards() -> None:
    assert {shard_of(new_id()) for _ in range(200)} == set(range(PUSH_SHARDS))


def test_an_event_is_cut_up_by_shard_and_loses_nobody() -> None:
    event = unread([new_id() for _ in range(100)])

    parts = event.by_shard()

    assert all(shard_of(user) == shard for shard, part in parts for user in part.user_ids)
    assert sorted(u for _, part in parts for u in part.user_ids) == sorted(event.user_ids)
    assert all(part.to(event.user_ids) == event for _, part in parts)


def test_an_event_names_a_thousand_users_at_most() -> None:
    one_shard = [user for user in (new_id() for _ in range(9000)) if shard_of(user) == 2][:1500]

    parts = unread(one_shard).by_shard()

    assert [len(part.user_ids) for _, part in parts] == [USERS_PER_EVENT, 500]


def test_an_event_for_nobody_is_none() -> None:
    assert unread([]).by_shard() == []
