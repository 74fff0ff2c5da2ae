"""Frames of a socket reach the function."""

import collections
import json
import struct

import pytest

from local.limits import Limits
from tests.local.conftest import MakeStack
from tests.local.gateways.clients import frame
from tests.local.stack import PATIENCE, Stack, eventually

FIN, CONTINUED, TEXT, BINARY, CLOSED, PING = 0x80, 0x0, 0x1, 0x2, 0x8, 0x9


async def close(stack: Stack, connection_id: str) -> bool:
    """Close a connection as the management API does."""
    return stack.sockets.close(connection_id)


class TestMessages:
    def test_reach_the_function(self, stack: Stack) -> None:
        with stack.connect() as client:
            client.send("event")
            event = json.loads(client.recv(PATIENCE))

        assert event["body"] == "event"
        assert event["isBase64Encoded"] is False
        context = event["requestContext"]
        assert context["routeKey"] == "$default"
        assert context["eventType"] == "MESSAGE"
        assert context["domainName"]
        assert context["stage"] == "api"
        assert context["messageId"]
        assert context["requestId"]
        assert context["identity"]["sourceIp"] == "127.0.0.1"

    @pytest.mark.parametrize("text", ["hello", 'quotes " and \\ and \n', "é漢🎈", "\x00\x1f", " "])
    def test_and_answers_keep_every_character(self, stack: Stack, text: str) -> None:
        with stack.connect() as client:
            client.send(text)

            assert client.recv(PATIENCE) == text

    def test_without_an_answer_get_none(self, stack: Stack) -> None:
        with stack.connect() as client:
            client.send("silent")
            client.send("loud")

            assert client.recv(PATIENCE) == "loud"

    def test_of_one_socket_run_at_the_same_time(self, stack: Stack) -> None:
        with stack.connect() as client:
            client.send("sleep-2")
            client.send("quick")

            assert [client.recv(PATIENCE), client.recv(PATIENCE)] == ["quick", "sleep-2"]

    @pytest.mark.parametrize(
        "sent",
        [
            [(FIN | BINARY, b"{}")],
            [(FIN | BINARY, b"")],
            [(FIN | BINARY, b"\x00\xff")],
            [(BINARY, b"note-1"), (FIN | CONTINUED, b"note-2")],
            [(BINARY, b"note-1"), (FIN | PING, b""), (FIN | CONTINUED, b"note-2")],
            [(FIN | BINARY, b"note-1"), (FIN | TEXT, b"note-2")],
            [(FIN | TEXT, b"\xff"), (FIN | TEXT, b"note-2")],
        ],
        ids=["text", "empty", "bytes", "fragments", "a ping", "text after", "no UTF-8"],
    )
    def test_that_are_not_text_close_and_nothing_after_them_is_handled(
        self, stack: Stack, sent: list[tuple[int, bytes]]
    ) -> None:
        noted, ended = len(stack.records("message")), len(stack.records("disconnect"))
        with stack.connect_raw(with_it=b"".join(frame(*one) for one in sent)) as raw:
            came = b"".join(iter(lambda: raw.recv(4096), b""))

        assert came.startswith(b"HTTP/1.1 101")
        assert struct.pack("!H", 1003 if sent[0][0] & BINARY else 1007) in came
        eventually(lambda: len(stack.records("disconnect")) > ended)
        assert len(stack.records("message")) == noted

    @pytest.mark.parametrize("last", [frame(FIN | CLOSED, b""), b""], ids=["a close", "nothing"])
    def test_in_binary_do_not_touch_those_before(self, stack: Stack, last: bytes) -> None:
        noted = len(stack.records("message"))
        sent = frame(TEXT, b"no") + frame(FIN | CONTINUED, b"te-0")
        with stack.connect_raw(with_it=sent) as raw:
            raw.sendall(frame(FIN | BINARY, b"note-1") + last)
            collections.deque(iter(lambda: raw.recv(4096), b""), maxlen=0)

        assert eventually(lambda: stack.records("message")[noted:]) == ["note-0"]
        assert not stack.reports or "sockets" not in stack.reports[-1]

    def test_that_come_with_a_handshake_that_is_refused_are_not_handled(self, stack: Stack) -> None:
        noted = len(stack.records("message"))
        with stack.connect_raw("?ticket=status-401", frame(FIN | TEXT, b"note-1")) as raw:
            came = b"".join(iter(lambda: raw.recv(4096), b""))

        assert came.startswith(b"HTTP/1.1 401")
        assert len(stack.records("message")) == noted

    def test_that_cross_the_servers_close_are_not_handled(self, stack: Stack) -> None:
        noted, ended = len(stack.records("message")), len(stack.records("disconnect"))
        with stack.connect_raw() as raw:
            assert raw.recv(4096).startswith(b"HTTP/1.1 101")
            *_, connection_id = stack.sockets.connections
            stack.run(close(stack, connection_id))
            raw.sendall(frame(FIN | TEXT, b"note-1") + frame(FIN | CLOSED, b""))
            eventually(lambda: len(stack.records("disconnect")) > ended)

        assert len(stack.records("message")) == noted

    def test_that_wait_when_the_server_closes_are_not_handled(self, make_stack: MakeStack) -> None:
        stack = make_stack(limits=Limits(in_flight=1), workers=1)
        first = frame(FIN | TEXT, b"sleep-0.5")
        waiting = frame(FIN | TEXT, b"note-1") * 20

        with stack.connect_raw() as raw:
            assert raw.recv(4096).startswith(b"HTTP/1.1 101")
            (connection_id,) = stack.sockets.connections
            raw.sendall(first + waiting + frame(FIN | PING, b""))
            assert raw.recv(4096)  # the answer to the ping: all before it was read
            assert stack.run(close(stack, connection_id))
            with stack.connect() as other:  # gets the worker only after the first frame is done
                for text in ("one", "two"):
                    other.send(text)
                    assert other.recv(PATIENCE) == text

        assert "note-1" not in stack.records("message")

    @pytest.mark.parametrize("how", ["raise", "crash"])
    def test_that_fail_are_answered_and_the_socket_lives(self, stack: Stack, how: str) -> None:
        with stack.connect() as client:
            connection_id = stack.connection_id(client)
            client.send(how)
            problem = json.loads(client.recv(PATIENCE))

            assert problem["message"] == "Internal server error"
            assert problem["connectionId"] == connection_id
            assert problem["requestId"]
            client.send("still here")
            assert client.recv(PATIENCE) == "still here"

    def test_that_take_too_long_are_answered(self, make_stack: MakeStack) -> None:
        stack = make_stack(limits=Limits(integration=1), workers=2)

        with stack.connect() as client:
            client.send("sleep-3")

            assert json.loads(client.recv(PATIENCE))["message"] == "Endpoint request timed out"
            client.send("still here")
            assert client.recv(PATIENCE) == "still here"

    def test_pings_are_answered(self, stack: Stack) -> None:
        with stack.connect() as client:
            assert client.ping().wait(PATIENCE)

    def test_sent_just_before_the_close_are_handled(self, stack: Stack) -> None:
        before = len(stack.records("disconnect"))
        with stack.connect() as client:
            client.send("sleep-0.1")

        eventually(lambda: len(stack.records("disconnect")) > before)
        assert not stack.reports or "sockets" not in stack.reports[-1]
