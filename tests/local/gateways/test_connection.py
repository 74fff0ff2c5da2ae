"""The WebSocket gateway: events, answers, and API Gateway's limits."""

import collections
import json
import socket
import struct
import time
from contextlib import suppress
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from local.limits import Limits
from tests.local.conftest import MakeStack
from tests.local.stack import PATIENCE, Stack, eventually


def closing(client: ClientConnection) -> tuple[int, str]:
    """Code and reason of the close that comes next."""
    with pytest.raises(ConnectionClosed) as closed:
        collections.deque(iter(lambda: client.recv(PATIENCE), None), maxlen=0)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason


FIN, CONTINUED, TEXT, BINARY, CLOSED, PING = 0x80, 0x0, 0x1, 0x2, 0x8, 0x9


def frame(head: int, data: bytes) -> bytes:
    """A short frame of a client; its mask is 0."""
    return bytes([head, 0x80 | len(data)]) + bytes(4) + data


async def close(stack: Stack, connection_id: str) -> bool:
    """Close a connection as the management API does."""
    return stack.sockets.close(connection_id)


def disconnects(stack: Stack, connection_id: str) -> list[dict[str, Any]]:
    contexts = [event["requestContext"] for event in stack.records("disconnect")]
    return [context for context in contexts if context["connectionId"] == connection_id]


class TestConnect:
    def test_passes_the_handshake_to_the_function(self, stack: Stack) -> None:
        with stack.connect("?ticket=a%20b&x=1&x=2", additional_headers={"X-Seen": "yes"}) as client:
            connection_id = stack.connection_id(client)

        (event,) = [
            event
            for event in stack.records("connect")
            if event["requestContext"]["connectionId"] == connection_id
        ]
        assert event["headers"]["X-Seen"] == "yes"
        assert event["multiValueHeaders"]["X-Seen"] == ["yes"]
        assert event["queryStringParameters"] == {"ticket": "a b", "x": "1"}
        assert event["multiValueQueryStringParameters"] == {"ticket": ["a b"], "x": ["1", "2"]}
        context = event["requestContext"]
        assert context["routeKey"] == "$connect"
        assert context["eventType"] == "CONNECT"
        assert context["stage"] == "api"
        assert context["identity"]["sourceIp"] == "127.0.0.1"
        assert abs(context["connectedAt"] / 1000 - time.time()) < 60
        assert context["requestId"]

    def test_has_no_query_where_none_was_given(self, stack: Stack) -> None:
        with stack.connect():
            pass

        assert "queryStringParameters" not in stack.records("connect")[-1]

    def test_gives_ids_that_need_quoting_like_awss(self, stack: Stack) -> None:
        with stack.connect() as client:
            assert stack.connection_id(client).endswith("=")

    @pytest.mark.parametrize("status", [401, 403, 429, 503])
    def test_refuses_with_the_functions_status(self, stack: Stack, status: int) -> None:
        with pytest.raises(InvalidStatus) as refused:
            stack.connect(f"?ticket=status-{status}")

        assert refused.value.response.status_code == status
        assert refused.value.response.headers["Content-Type"] == "application/json"
        assert "message" in json.loads(refused.value.response.body or b"")

    @pytest.mark.parametrize("how", ["raise", "crash", "status-0", "status-999"])
    def test_refuses_with_502_when_the_function_fails(self, stack: Stack, how: str) -> None:
        with pytest.raises(InvalidStatus) as refused:
            stack.connect(f"?ticket={how}")

        assert refused.value.response.status_code == 502

    def test_refuses_with_504_when_the_function_is_slow(self, make_stack: MakeStack) -> None:
        stack = make_stack(limits=Limits(integration=0.2), workers=1)

        with pytest.raises(InvalidStatus) as refused:
            stack.connect("?ticket=sleep-1")

        assert refused.value.response.status_code == 504

    def test_refuses_other_paths(self, stack: Stack) -> None:
        stack.socket_url, url = stack.socket_url.replace("/api", "/other"), stack.socket_url
        try:
            with pytest.raises(InvalidStatus) as refused:
                stack.connect()
        finally:
            stack.socket_url = url

        assert refused.value.response.status_code == 403

    def test_wants_a_websocket(self, stack: Stack) -> None:
        answer = httpx.get(f"http://127.0.0.1:{stack.socket_port}/api")

        assert answer.status_code == 426

    def test_passes_on_the_subprotocol_that_the_function_chose(self, stack: Stack) -> None:
        with stack.connect("?ticket=protocol", subprotocols=["other", "sample"]) as client:
            assert client.subprotocol == "sample"

    def test_closes_a_connection_that_never_finishes_the_handshake(
        self, make_stack: MakeStack
    ) -> None:
        stack = make_stack(limits=Limits(handshake=0.2), workers=1)

        with socket.create_connection(("127.0.0.1", stack.socket_port), 5) as raw:
            raw.sendall(b"GET /api HTTP/1.1\r\n")
            assert raw.recv(100) == b""

    def test_reports_a_client_that_leaves_during_connect(self, stack: Stack) -> None:
        before = len(stack.records("disconnect"))
        with stack.connect_raw("?ticket=sleep-0.3"):
            time.sleep(0.1)

        eventually(lambda: len(stack.records("disconnect")) > before)


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


class TestLimits:
    def test_a_frame_of_32_kb_passes_and_a_larger_one_closes(self, stack: Stack) -> None:
        with stack.connect() as client:
            client.send("x" * 32768)
            assert len(client.recv(PATIENCE)) == 32768

            client.send("x" * 32769)
            assert closing(client)[0] == 1009

    def test_a_message_of_128_kb_in_frames_passes(self, stack: Stack) -> None:
        with stack.connect() as client:
            client.send(["x" * 32768] * 4)

            assert len(client.recv(PATIENCE)) == 131072

    def test_a_larger_message_closes(self, stack: Stack) -> None:
        with stack.connect() as client:
            with suppress(ConnectionClosed):  # it may close before all is sent
                client.send(["x" * 32768] * 4 + ["y"])

            assert closing(client)[0] == 1009

    def test_text_that_is_no_utf8_closes(self, stack: Stack) -> None:
        with stack.connect() as client:
            client.send(b"\xff\xfe", text=True)

            assert closing(client)[0] == 1007

    def test_idle_sockets_are_closed(self, make_stack: MakeStack) -> None:
        stack = make_stack(limits=Limits(idle=2), workers=1)

        with stack.connect() as client:
            connection_id = stack.connection_id(client)
            started = time.monotonic()
            for _ in range(5):
                time.sleep(0.5)
                client.send("awake")
                assert client.recv(PATIENCE) == "awake"
            assert time.monotonic() - started > 2

            assert closing(client)[0] == 1001
        eventually(lambda: disconnects(stack, connection_id))

    def test_pings_do_not_keep_a_socket(self, make_stack: MakeStack) -> None:
        stack = make_stack(limits=Limits(idle=0.5), workers=1)

        with stack.connect(ping_interval=0.1) as client:
            assert closing(client)[0] == 1001

    def test_old_sockets_are_closed_however_busy(self, make_stack: MakeStack) -> None:
        stack = make_stack(limits=Limits(lifetime=0.5), workers=1)

        with stack.connect() as client:
            with pytest.raises(ConnectionClosed):
                self._stay_busy(client)
            assert client.close_code == 1001

    def _stay_busy(self, client: ClientConnection) -> None:
        while True:
            client.send("busy")
            client.recv(PATIENCE)
            time.sleep(0.02)

    def test_a_flood_is_answered_in_full_and_starves_nobody(self, make_stack: MakeStack) -> None:
        stack = make_stack(limits=Limits(in_flight=8), workers=1)

        with stack.connect() as flood, stack.connect() as other:
            for number in range(3000):
                flood.send(f"{number}")
            started = time.monotonic()
            other.send("hello")
            assert other.recv(PATIENCE) == "hello"
            waited = time.monotonic() - started
            answers = {flood.recv(PATIENCE) for _ in range(3000)}

        assert answers == {str(number) for number in range(3000)}
        # At most the eight in flight went first, not three thousand.
        assert waited < time.monotonic() - started

    def _send_until_stuck(self, raw: socket.socket, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[raw.send(rest[:65536]) :]

    def test_who_floods_and_never_reads_is_not_read_either(self, make_stack: MakeStack) -> None:
        stack = make_stack(limits=Limits(in_flight=4, outgoing=1 << 30), workers=2)

        raw = stack.connect_raw()
        raw.settimeout(3)
        frame = b"\x81\xfe" + struct.pack("!H", 30_000) + b"\0\0\0\0" + b"x" * 30_000
        with pytest.raises(TimeoutError):
            self._send_until_stuck(raw, frame * 3000)

        (connection,) = stack.sockets.all
        assert connection.waiting_bytes < 8 * 1024 * 1024
        raw.close()


class TestDisconnect:
    def test_reports_a_clean_close(self, stack: Stack) -> None:
        with stack.connect() as client:
            connection_id = stack.connection_id(client)
            client.close(1000, "bye")

        (context,) = eventually(lambda: disconnects(stack, connection_id))
        assert context["routeKey"] == "$disconnect"
        assert context["eventType"] == "DISCONNECT"
        assert context["disconnectStatusCode"] == 1000
        assert context["disconnectReason"] == "bye"

    def test_reports_a_broken_connection(self, stack: Stack) -> None:
        client = stack.connect()
        connection_id = stack.connection_id(client)
        linger = struct.pack("ii", 1, 0)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        client.socket.close()

        (context,) = eventually(lambda: disconnects(stack, connection_id))
        assert context["disconnectStatusCode"] == 1006

    def test_comes_after_a_close_that_the_client_never_answers(self, make_stack: MakeStack) -> None:
        stack = make_stack(limits=Limits(idle=0.3, closing=0.3), workers=1)
        deaf = stack.connect_raw()

        (event,) = eventually(lambda: stack.records("disconnect"))

        assert event["requestContext"]["disconnectReason"] == "Idle timeout"
        deaf.close()

    def test_is_sent_to_all_when_the_gateway_stops(self, make_stack: MakeStack) -> None:
        stack = make_stack(workers=1)
        clients = [stack.connect() for _ in range(5)]

        stack.run(stack.sockets.stop())

        assert len(stack.records("disconnect")) == 5
        for client in clients:
            assert closing(client)[0] == 1001
