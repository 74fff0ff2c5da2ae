"""The @connections management API."""

import http.client
import json
import socket
import time
from urllib.parse import quote

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from websockets.exceptions import ConnectionClosed

from local.gateways.management import MAX_POST
from local.limits import Limits
from tests.local.conftest import MakeStack
from tests.local.stack import ACCESS_KEY, PATIENCE, SECRET_KEY, Stack, eventually


def call(stack: Stack, method: str, connection_id: str, body: bytes = b"") -> httpx.Response:
    url, headers = stack.signed(method, connection_id, body)
    return httpx.request(method, url, headers=headers, content=body)


def gone(answer: httpx.Response) -> bool:
    return answer.status_code == 410 and answer.headers["x-amzn-ErrorType"] == "GoneException"


class TestPost:
    @pytest.mark.parametrize("text", ["hello", "é漢🎈", "x" * MAX_POST])
    def test_reaches_the_client(self, stack: Stack, text: str) -> None:
        with stack.connect() as client:
            answer = call(stack, "POST", stack.connection_id(client), text.encode())

            assert answer.status_code == 200
            assert client.recv(PATIENCE) == text

    def test_keeps_the_order(self, stack: Stack) -> None:
        with stack.connect() as client:
            connection_id = stack.connection_id(client)
            for number in range(50):
                assert call(stack, "POST", connection_id, str(number).encode()).status_code == 200

            assert [client.recv(PATIENCE) for _ in range(50)] == [str(n) for n in range(50)]

    def test_to_nobody_is_gone(self, stack: Stack) -> None:
        assert gone(call(stack, "POST", "bm9ib2R5Li4uLi4=", b"hello"))

    def test_to_who_has_left_is_gone(self, stack: Stack) -> None:
        with stack.connect() as client:
            connection_id = stack.connection_id(client)

        assert eventually(lambda: gone(call(stack, "POST", connection_id, b"hello")))

    def test_over_128_kb_is_refused(self, stack: Stack) -> None:
        with stack.connect() as client:
            answer = call(stack, "POST", stack.connection_id(client), b"x" * (MAX_POST + 1))

            assert answer.status_code == 413
            assert answer.headers["x-amzn-ErrorType"] == "PayloadTooLargeException"
            client.send("nothing before this")
            assert client.recv(PATIENCE) == "nothing before this"

    def test_keeps_a_socket_from_being_idle(self, make_stack: MakeStack) -> None:
        stack = make_stack(limits=Limits(idle=2), workers=1)

        with stack.connect() as client:
            connection_id = stack.connection_id(client)
            for _ in range(5):
                assert call(stack, "POST", connection_id, b"x").status_code == 200
                assert client.recv(PATIENCE) == "x"
                time.sleep(0.5)

    def test_to_who_never_reads_succeeds_until_too_much_waits_and_the_socket_can_be_closed(
        self, make_stack: MakeStack
    ) -> None:
        stack = make_stack(limits=Limits(outgoing=256 * 1024), workers=1)
        deaf = stack.connect_raw()
        (connected,) = eventually(lambda: stack.records("connect"))
        connection_id = connected["requestContext"]["connectionId"]
        eventually(lambda: call(stack, "GET", connection_id).status_code == 200)

        answers = [call(stack, "POST", connection_id, b"x" * MAX_POST)]
        while answers[-1].status_code == 200:
            answers.append(call(stack, "POST", connection_id, b"x" * MAX_POST))
            assert len(answers) < 200

        assert answers[0].status_code == 200
        assert answers[-1].status_code == 429
        assert answers[-1].headers["x-amzn-ErrorType"] == "LimitExceededException"
        assert call(stack, "GET", connection_id).status_code == 200
        assert call(stack, "DELETE", connection_id).status_code == 204
        (event,) = eventually(lambda: stack.records("disconnect"))
        assert event["requestContext"]["connectionId"] == connection_id
        deaf.close()


class TestGetAndDelete:
    def test_get_describes_the_connection(self, stack: Stack) -> None:
        with stack.connect(user_agent_header="probe") as client:
            answer = call(stack, "GET", stack.connection_id(client))

        assert answer.status_code == 200
        described = answer.json()
        assert described["identity"] == {"sourceIp": "127.0.0.1", "userAgent": "probe"}
        assert described["connectedAt"] <= described["lastActiveAt"]

    def test_delete_closes_the_socket(self, stack: Stack) -> None:
        with stack.connect() as client:
            connection_id = stack.connection_id(client)

            assert call(stack, "DELETE", connection_id).status_code == 204
            with pytest.raises(ConnectionClosed) as closed:
                client.recv(PATIENCE)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1000
            assert gone(call(stack, "POST", connection_id, b"x"))

        def told() -> bool:
            events = stack.records("disconnect")
            return any(e["requestContext"]["connectionId"] == connection_id for e in events)

        eventually(told)

    @pytest.mark.parametrize("method", ["GET", "DELETE"])
    def test_of_nobody_is_gone(self, stack: Stack, method: str) -> None:
        assert gone(call(stack, method, "bm9ib2R5Li4uLi4="))


class TestSignature:
    @pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
    def test_missing_or_wrong_is_refused(self, stack: Stack, method: str) -> None:
        with stack.connect() as client:
            connection_id = stack.connection_id(client)
            url, headers = stack.signed(method, connection_id, b"", secret="other")

            assert httpx.request(method, url, headers=headers).status_code == 403
            assert httpx.request(method, url).status_code == 403
            client.send("untouched")
            assert client.recv(PATIENCE) == "untouched"

    def test_of_another_body_is_refused(self, stack: Stack) -> None:
        with stack.connect() as client:
            url, headers = stack.signed("POST", stack.connection_id(client), b"one")

            assert httpx.post(url, headers=headers, content=b"two").status_code == 403


class TestHttp:
    def test_boto3_can_use_it(self, stack: Stack) -> None:
        api = boto3.client(
            "apigatewaymanagementapi",
            endpoint_url=stack.management_url,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(retries={"total_max_attempts": 1}),
        )
        with stack.connect() as client:
            connection_id = stack.connection_id(client)
            api.post_to_connection(ConnectionId=connection_id, Data=b"by boto3")
            assert client.recv(PATIENCE) == "by boto3"
            assert api.get_connection(ConnectionId=connection_id)["Identity"]["SourceIp"]
            api.delete_connection(ConnectionId=connection_id)
            with pytest.raises(ClientError) as refused:
                api.post_to_connection(ConnectionId=connection_id, Data=b"late")

        assert refused.value.response["Error"]["Code"] == "GoneException"

    def test_requests_may_be_pipelined_and_split(self, stack: Stack) -> None:
        with stack.connect() as client:
            connection_id = stack.connection_id(client)
            _, headers = stack.signed("POST", connection_id, b"hello")
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            request = (
                f"POST /api/@connections/{quote(connection_id)} HTTP/1.1\r\n"
                f"Host: 127.0.0.1:{stack.management_port}\r\n{lines}Content-Length: 5\r\n\r\nhello"
            ).encode()
            with socket.create_connection(("127.0.0.1", stack.management_port), 5) as raw:
                stream = request * 3
                for start in range(0, len(stream), 100):
                    raw.sendall(stream[start : start + 100])
                received = b""
                while received.count(b"HTTP/1.1 200 OK") < 3:
                    chunk = raw.recv(4096)
                    assert chunk, received
                    received += chunk

            assert [client.recv(PATIENCE) for _ in range(3)] == ["hello"] * 3

    def test_connections_are_kept_and_closed_on_request(self, stack: Stack) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", stack.management_port, timeout=5)
        for _ in range(2):
            connection.request("GET", "/api/@connections/x")
            answer = connection.getresponse()
            assert answer.status == 403
            assert json.loads(answer.read()) == {"message": "Missing Authentication Token"}
        connection.request("GET", "/", headers={"Connection": "close"})
        connection.getresponse().read()
        connection.close()

    def test_nonsense_is_a_400_and_hurts_nobody_else(self, stack: Stack) -> None:
        with stack.connect() as client:
            with socket.create_connection(("127.0.0.1", stack.management_port), 5) as raw:
                raw.sendall(b"\x00 nonsense\r\n\r\n")
                assert raw.recv(1000).startswith(b"HTTP/1.1 400 ")

            assert call(stack, "POST", stack.connection_id(client), b"x").status_code == 200

    def test_other_paths_and_methods_are_refused(self, stack: Stack) -> None:
        url, headers = stack.signed("PUT", "abc")
        assert httpx.put(url, headers=headers).status_code == 403
