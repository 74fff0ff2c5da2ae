"""The HTTP gateway speaks to functions and clients as API Gateway does."""

import base64
import http.client
import json
import socket
from typing import Any

import httpx
import pytest

from local.limits import Limits
from tests.local.conftest import MakeStack
from tests.local.stack import Stack, eventually


def body_of(event: dict[str, Any]) -> bytes:
    """A request's body as it was sent."""
    return base64.b64decode(event["body"], validate=True)


def is_problem(answer: httpx.Response, status: int, code: str) -> bool:
    """Of the gateway's own, in our form, and for every origin to read."""
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == problem["request_id"]
    assert answer.headers["x-amzn-RequestId"] == problem["request_id"]
    assert {"title", "detail"} <= problem.keys()
    assert problem["type"] == str(answer.url.copy_with(path="/v1/errors", query=None)) + f"#{code}"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"
    return True


@pytest.fixture
def client(stack: Stack) -> httpx.Client:
    return httpx.Client(base_url=stack.http_url, timeout=20)


class TestEvents:
    def test_carry_method_path_query_headers_and_source(self, client: httpx.Client) -> None:
        answer = client.get(
            "/v1/echo?a=1&b=x%20y&a=2&empty=",
            headers=[("X-Seen", "one"), ("x-seen", "two"), ("User-Agent", "probe")],
        )
        event = answer.json()

        assert event["resource"] == event["path"] == "/v1/echo"
        assert event["httpMethod"] == "GET"
        assert event["queryStringParameters"] == {"a": "2", "b": "x y", "empty": ""}
        assert event["multiValueQueryStringParameters"] == {
            "a": ["1", "2"],
            "b": ["x y"],
            "empty": [""],
        }
        assert event["multiValueHeaders"]["X-Seen"] == ["one", "two"]
        assert event["headers"]["X-Seen"] == "two"
        assert event["headers"]["X-Forwarded-For"] == "127.0.0.1"
        assert event["pathParameters"] is None
        assert event["body"] is None
        assert event["isBase64Encoded"] is False
        context = event["requestContext"]
        assert context["stage"] == "api"
        assert context["path"] == "/api/v1/echo"
        assert context["resourcePath"] == "/v1/echo"
        assert context["httpMethod"] == "GET"
        assert context["identity"] == {"sourceIp": "127.0.0.1", "userAgent": "probe"}
        assert context["requestId"] == answer.headers["x-amzn-RequestId"]

    def test_have_null_for_a_missing_query(self, client: httpx.Client) -> None:
        event = client.get("/v1/echo").json()

        assert event["queryStringParameters"] is None
        assert event["multiValueQueryStringParameters"] is None

    def test_decode_path_parameters(self, client: httpx.Client) -> None:
        answer = client.post("/v1/echo/a%2Fb%20%C3%A9", json={"text": "ü"})

        assert answer.status_code == 201
        assert answer.json()["name"] == "a/b é"
        event = answer.json()["event"]
        assert event["resource"] == "/v1/echo/{name}"
        assert event["path"] == "/v1/echo/a%2Fb%20%C3%A9"
        assert body_of(event) == '{"text":"ü"}'.encode()

    @pytest.mark.parametrize("kind", ["application/json", "text/plain", "image/png", ""])
    def test_carry_bodies_byte_by_byte(self, client: httpx.Client, kind: str) -> None:
        content = b"\x00\xff\x10 \xe4 \xc3\xa4"
        event = client.put("/v1/echo", content=content, headers={"Content-Type": kind}).json()

        assert event["isBase64Encoded"] is True
        assert body_of(event) == content

    def test_bring_binary_answers_back(self, client: httpx.Client) -> None:
        headers = {"Content-Type": "application/x-sample", "Accept": "application/x-sample"}
        answer = client.post("/v1/binary", content=b"\x00\xff\x10", headers=headers)

        assert answer.content == b"\x10\xff\x00"
        assert answer.headers["Content-Type"] == "application/x-sample"

    def test_hold_characters_whatever_a_header_or_a_query_holds(self, stack: Stack) -> None:
        with socket.create_connection(("127.0.0.1", stack.http_port), 5) as raw:
            raw.sendall(
                b"GET /v1/echo?a=%ff&b=%ED%A0%80 HTTP/1.1\r\nHost: localhost\r\n"
                b"X-Utf8: \xc3\xa4\r\nX-Latin: \xe4\r\nConnection: close\r\n\r\n"
            )
            answer = b"".join(iter(lambda: raw.recv(65536), b""))
        event = json.loads(answer.partition(b"\r\n\r\n")[2])

        assert event["headers"]["X-Utf8"] == event["headers"]["X-Latin"] == "ä"
        query = event["queryStringParameters"]
        assert set("".join(query.values())) == {"\ufffd"}


class TestRoutes:
    def test_prefer_fixed_segments_to_parameters(self, client: httpx.Client) -> None:
        assert client.post("/v1/echo/fixed").json() == {"fixed": "yes"}

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/v1/nothing"),
            ("GET", "/v1/echo/a/b"),
            ("DELETE", "/v1/echo"),
            ("POST", "/v1/echo/"),
            ("OPTIONS", "/v1/echo"),
        ],
    )
    def test_refuse_others_as_api_gateway_does(
        self, client: httpx.Client, method: str, path: str
    ) -> None:
        answer = client.request(method, path, headers={"Origin": "https://x.example"})

        assert is_problem(answer, 403, "unknown_route")

    def test_answer_preflights_where_chalice_sets_cors_up(self, client: httpx.Client) -> None:
        headers = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
        answer = client.options("/v1/echo/ada", headers=headers)

        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        allowed = answer.headers["Access-Control-Allow-Methods"].split(",")
        assert sorted(allowed) == ["DELETE", "OPTIONS", "POST"]
        assert "X-Sample" in answer.headers["Access-Control-Allow-Headers"].split(",")
        assert answer.headers["Access-Control-Max-Age"] == "600"

    def test_pass_on_status_and_repeated_headers(self, client: httpx.Client) -> None:
        answer = client.post("/v1/echo/ada")

        assert answer.status_code == 201
        assert answer.headers["X-One"] == "1"
        assert answer.headers.get_list("Set-Cookie") == ["a=1", "b=2"]
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


class TestLimits:
    def test_refuse_a_body_over_ten_megabytes(self, client: httpx.Client) -> None:
        answer = client.put("/v1/echo", content=b"x" * (10 * 1024 * 1024 + 1))

        assert is_problem(answer, 413, "too_large")

    def test_refuse_a_chunked_body_over_the_limit(self, make_stack: MakeStack) -> None:
        stack = make_stack(limits=Limits(request=1000), workers=1)

        with httpx.Client(base_url=stack.http_url) as client:
            over = client.put("/v1/echo", content=iter([b"x" * 600, b"x" * 600]))
            within = client.put("/v1/echo", content=iter([b"x" * 500, b"x" * 500]))

        assert is_problem(over, 413, "too_large")
        assert within.status_code == 200

    def test_refuse_an_event_over_lambdas_six_megabytes(self, client: httpx.Client) -> None:
        answer = client.put("/v1/echo", content=b"x" * (5 * 1024 * 1024))

        assert is_problem(answer, 413, "too_large"), "it is larger as base64"

    def test_answer_502_for_a_result_over_six_megabytes(self, client: httpx.Client) -> None:
        assert len(client.get("/v1/large/5000000").content) == 5_000_000

        answer = client.get(f"/v1/large/{6 * 1024 * 1024}")

        assert is_problem(answer, 502, "internal")


class TestFailures:
    @pytest.mark.parametrize("how", ["crash", "exit"])
    def test_a_dead_worker_is_a_502_and_is_replaced(self, stack: Stack, how: str) -> None:
        with httpx.Client(base_url=stack.http_url) as client:
            answer = client.get(f"/v1/misbehave/{how}")

            assert is_problem(answer, 502, "internal")
            eventually(lambda: len(stack.pool.pids) == 2)
            assert client.get("/v1/misbehave/no").status_code == 200
        assert any("died while it ran api_handler" in report for report in stack.reports)

    def test_api_gateway_gives_up_with_504(self, make_stack: MakeStack) -> None:
        stack = make_stack(limits=Limits(integration=1), workers=2)

        with httpx.Client(base_url=stack.http_url) as client:
            answer = client.get("/v1/misbehave/sleep-3")

            assert is_problem(answer, 504, "unavailable")
            assert int(answer.headers["Retry-After"]) == answer.json()["retry_after"]
            # As on AWS, the function itself goes on.
            assert client.get("/v1/misbehave/no").status_code == 200

    def test_waiting_for_a_worker_is_bounded_too(self, make_stack: MakeStack) -> None:
        stack = make_stack(limits=Limits(integration=1), workers=1)

        with httpx.Client(base_url=stack.http_url) as client:
            assert client.get("/v1/misbehave/sleep-5").status_code == 504
            assert client.get("/v1/misbehave/no").status_code == 504

    def test_a_function_over_its_own_timeout_is_killed_with_502(
        self, make_stack: MakeStack
    ) -> None:
        config = {"lambda_functions": {"api_handler": {"lambda_timeout": 1}}}
        stack = make_stack(config=config, workers=1)
        before = stack.pool.pids

        with httpx.Client(base_url=stack.http_url) as client:
            answer = client.get("/v1/misbehave/spin-20")

            assert answer.status_code == 502
            assert client.get("/v1/misbehave/no").status_code == 200
        assert stack.pool.pids != before
        assert any("longer than 1 seconds" in report for report in stack.reports)


def test_connections_are_kept_and_answers_are_immediate(stack: Stack) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", stack.http_port, timeout=5)
    connection.connect()
    local_port = connection.sock.getsockname()[1]
    for _ in range(3):
        connection.request("GET", "/v1/echo")
        answer = connection.getresponse()
        assert answer.status == 200
        answer.read()

    assert connection.sock.getsockname()[1] == local_port
    connection.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\xff nonsense\r\n\r\n",
        b"GET /v1/echo too many words HTTP/1.1\r\n\r\n",
        b"GET /v1/echo HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /v1/echo HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
    ],
    ids=["nonsense", "line", "header", "long"],
)
def test_a_malformed_request_gets_a_problem_and_hurts_nobody_else(
    stack: Stack, client: httpx.Client, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_connection(("127.0.0.1", stack.http_port), 5) as raw:
        raw.sendall(sent)
        head, _, body = b"".join(iter(lambda: raw.recv(65536), b"")).partition(b"\r\n\r\n")
    problem = json.loads(body)

    assert head.startswith(b"HTTP/1.")
    assert b"application/problem+json" in head
    assert (problem["status"], problem["code"]) == (400, "bad_request")
    assert problem["type"] == f"{stack.http_url}/v1/errors#bad_request"
    assert caplog.records == []  # nothing broke here: no traceback for each on the terminal

    assert client.get("/v1/echo").status_code == 200
