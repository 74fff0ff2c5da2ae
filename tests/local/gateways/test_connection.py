"""Sockets are opened and closed as by API Gateway."""

import json
import socket
import struct
import time

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from local.limits import Limits
from tests.local.conftest import MakeStack
from tests.local.gateways.clients import closing, disconnects
from tests.local.stack import Stack, eventually


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
