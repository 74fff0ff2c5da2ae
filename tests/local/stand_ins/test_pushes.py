"""Pushes are kept as a phone would show them."""

import pytest

from local.stand_ins.pushes import Pushes

BY_KEY = [
    {"android": {"collapse_key": "m1"}},
    {"android": {"collapseKey": "m1"}},
    {"android": {"notification": {"tag": "m1"}}},
    {"apns": {"headers": {"apns-collapse-id": "m1"}}},
    {"webpush": {"headers": {"Topic": "m1"}}},
]


@pytest.mark.parametrize("given", BY_KEY)
def test_one_with_the_same_collapse_key_replaces_the_earlier(given: dict[str, object]) -> None:
    pushes = Pushes()
    pushes.add({"token": "t", "notification": {"body": "old"}, **given})
    pushes.add({"token": "t", "notification": {"body": "new"}, **given})

    (shown,) = pushes.after(0)

    assert shown["body"] == "new"
    assert shown["count"] == 2
    assert shown["collapse_key"] == "m1"


def test_other_devices_and_other_keys_replace_nothing() -> None:
    pushes = Pushes()
    pushes.add({"token": "t", "android": {"collapse_key": "m1"}})
    pushes.add({"token": "u", "android": {"collapse_key": "m1"}})
    pushes.add({"token": "t", "android": {"collapse_key": "m2"}})
    pushes.add({"token": "t"})
    pushes.add({"token": "t"})

    assert [push["count"] for push in pushes.after(0)] == [1] * 5


def test_a_replaced_notification_is_the_newest() -> None:
    pushes = Pushes()
    pushes.add({"token": "t", "android": {"collapse_key": "m1"}})
    other = pushes.add({"token": "t"})
    pushes.add({"token": "t", "android": {"collapse_key": "m1"}})

    assert [push["count"] for push in pushes.after(other.id)] == [2]


def test_only_the_last_ones_are_kept() -> None:
    pushes = Pushes(limit=3)
    for number in range(5):
        pushes.add({"token": str(number)})

    assert [push["token"] for push in pushes.after(0)] == ["4", "3", "2"]
