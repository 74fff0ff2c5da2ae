"""Sockets get only events of the table, and only those that they may get."""

import ast
from pathlib import Path
from typing import Any

import pytest

from chalicelib.auth.sessions.models import SIGNED_IN
from chalicelib.live import gateway
from chalicelib.live.events import EVENTS, Event, Kind, Socket, declare
from chalicelib.messages.models.socket_events import MESSAGE_NEW, TYPING, UserTyping
from chalicelib.wire import Model

ROOT = Path(__file__).resolve().parents[3] / "chalicelib"
ABOUT_THE_SOCKET = {"session.ended", "socket.closing", "rate_limited"}
READ = frozenset({"chats.read"})
TYPES = UserTyping(chat_id="c", user_id="ana", typing=True)


def socket(client_id: str | None = None, *scopes: str) -> Socket:
    return Socket("ana", "c1=", "s1", client_id, frozenset(scopes))


def test_an_event_is_declared_once() -> None:
    with pytest.raises(ValueError, match="presence"):
        declare("presence", UserTyping, scope="chats.read")


@pytest.mark.parametrize("name", ["shout", "chat.typing"])
def test_there_is_no_event_that_is_not_in_the_table(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Kind(name, UserTyping, "openid").of(TYPES)
    assert EVENTS["chat.typing"] is TYPING


def test_an_event_says_what_its_row_says() -> None:
    other: Any = MESSAGE_NEW

    with pytest.raises(TypeError, match=r"message\.new"):
        other.of(TYPES)
    assert TYPING.of(TYPES).to_wire() == (
        b'{"event":"chat.typing","data":{"chat_id":"c","user_id":"ana","typing":true}}'
    )


def test_the_gateway_posts_in_one_place_and_only_events() -> None:
    """The words of a frame are made by Event alone, and one function of the gateway posts."""
    posting = [
        function.name
        for path in (ROOT / "live").rglob("*.py")
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef)
        and any(isinstance(n, ast.Constant) and n.value == "POST" for n in ast.walk(function))
    ]
    keys = [
        path.name
        for path in ROOT.rglob("*.py")
        if path.parent.name != "asyncapi"  # which describes frames
        for one in ast.walk(ast.parse(path.read_text()))
        if isinstance(one, ast.Dict)
        and any(isinstance(key, ast.Constant) and key.value == "event" for key in one.keys)
    ]

    assert posting == ["_post_event"]
    assert keys == ["events.py"]
    assert gateway.Gateway._post_event.__annotations__["event"] is Event


@pytest.mark.parametrize(
    ("kind", "client_id", "scopes", "may"),
    [
        (MESSAGE_NEW, None, ["chats.read"], True),
        (MESSAGE_NEW, "board", ["chats.read"], True),
        (MESSAGE_NEW, "board", ["openid", "chats.write"], False),
        (MESSAGE_NEW, None, ["authorize"], False),
        (MESSAGE_NEW, None, [], False),
        (SIGNED_IN, None, ["account"], True),
        (SIGNED_IN, None, ["chats.read"], False),
        (SIGNED_IN, "board", ["account"], False),
    ],
)
def test_an_event_reaches_whom_its_row_lets(
    kind: Kind[Model], client_id: str | None, scopes: list[str], may: bool
) -> None:
    assert kind.may_reach(socket(client_id, *scopes)) is may


@pytest.mark.parametrize(
    "given",
    [
        socket(None, "account", "chats.read"),
        socket("board", "chats.read"),
        socket("board"),
        socket(),
    ],
)
def test_an_entry_is_read_as_it_was_written(given: Socket) -> None:
    assert Socket.read("ana", given.entry) == given


def test_an_earlier_version_read_two_words() -> None:
    assert socket(None, "account", "chats.read").entry == "c1= s1,,account,chats.read"
    assert socket().entry == "c1= s1"


@pytest.mark.parametrize("entry", ["", "c1", "c1 s1", "c1 s1 x", "c1 s1,", "c1 s1,,", "c1 s1,a,,"])
def test_an_entry_that_names_no_scopes_gets_only_what_is_about_itself(entry: str) -> None:
    found = Socket.read("ana", entry)

    assert {name for name, kind in EVENTS.items() if kind.may_reach(found)} == ABOUT_THE_SOCKET
