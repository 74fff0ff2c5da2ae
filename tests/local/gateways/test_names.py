"""Pages of strangers do not reach the local cloud, whatever name they have pointed at it."""

import http.client
import socket

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from local.gateways.names import Names, is_name
from local.stand_ins.google import Google
from tests.local.conftest import MakeStack
from tests.local.stack import Stack, listener

STRANGERS = [
    "evil.example",
    "evil.example:{port}",
    "127.0.0.1.evil.example:{port}",
    "localhost.evil.example:{port}",
    "evil@localhost:{port}",
    "localhost:{port}@evil.example",
    "127.0.0.2:{port}",
    "0.0.0.0:{port}",
    "[::2]:{port}",
    "localhost.:{port}",
    "localhost:65536",
    "localhost:123456",
    "",
]
OURS = ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST:{port}", "[::1]:{port}"]


class TestHttp:
    @pytest.mark.parametrize("path", ["/event", "/", "/config.json", "/_local/pushes", "/nothing"])
    @pytest.mark.parametrize("host", STRANGERS)
    def test_is_not_served_under_a_name_that_is_not_ours(
        self, stack: Stack, host: str, path: str
    ) -> None:
        before = len(stack.marks("http"))
        answer = httpx.get(
            stack.http_url + path, headers={"Host": host.format(port=stack.http_port)}
        )

        assert answer.status_code == 421
        assert "--allow-host" in answer.json()["detail"]
        assert len(stack.marks("http")) == before

    def test_is_refused_without_a_name_and_with_two(self, stack: Stack) -> None:
        for hosts in ([], ["localhost", "evil.example"], ["localhost", "localhost"]):
            connection = http.client.HTTPConnection("127.0.0.1", stack.http_port, timeout=5)
            connection.putrequest("GET", "/config.json", skip_host=True)
            for host in hosts:
                connection.putheader("Host", host)
            connection.endheaders()
            assert connection.getresponse().status in (400, 421)
            connection.close()

    @pytest.mark.parametrize("host", OURS)
    def test_is_served_under_our_names(self, stack: Stack, host: str) -> None:
        headers = {"Host": host.format(port=stack.http_port)}

        assert httpx.get(f"{stack.http_url}/config.json", headers=headers).status_code == 200

    def test_of_a_stand_in_is_not_served_either(self, stack: Stack) -> None:
        listening = listener()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        google = Google(url=url)
        stack.run(google.start(listening))
        try:
            assert httpx.get(f"{url}/certs").status_code == 200
            assert httpx.get(f"{url}/certs", headers={"Host": "evil.example"}).status_code == 421
        finally:
            stack.run(google.stop())


class TestSockets:
    @pytest.mark.parametrize("host", STRANGERS)
    def test_are_not_opened_under_a_name_that_is_not_ours(self, stack: Stack, host: str) -> None:
        assert status_of(stack, host=host.format(port=stack.socket_port)) == 421

    @pytest.mark.parametrize("host", OURS)
    def test_are_opened_under_our_names(self, stack: Stack, host: str) -> None:
        assert status_of(stack, host=host.format(port=stack.socket_port)) == 101

    @pytest.mark.parametrize(
        "origin",
        [
            "https://evil.example",
            "http://evil.example:{port}",
            "http://localhost:1",
            "http://localhost",
            "http://127.0.0.1.evil.example:{port}",
            "http://localhost:{port}/path",
            "http://localhost:{port}@evil.example",
            "file://",
            "null",
            "",
        ],
    )
    def test_are_not_opened_by_pages_of_others(self, stack: Stack, origin: str) -> None:
        with pytest.raises(InvalidStatus) as refused:
            stack.connect(origin=origin.format(port=stack.http_port))
        assert refused.value.response.status_code == 403

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
    def test_are_opened_by_our_own_page(self, stack: Stack, host: str) -> None:
        stack.connect(origin=f"http://{host}:{stack.http_port}").close()

    def test_are_opened_by_what_is_no_browser(self, stack: Stack) -> None:
        stack.connect().close()


def test_more_names_are_served_where_somebody_names_them(make_stack: MakeStack) -> None:
    stack = make_stack(workers=1, allow_hosts=frozenset({"parley.test"}))

    for host in ("parley.test", "parley.test:8000", f"localhost:{stack.http_port}"):
        answer = httpx.get(f"{stack.http_url}/config.json", headers={"Host": host})
        assert answer.status_code == 200
        assert status_of(stack, host=host) == 101
    stack.connect(origin="https://parley.test").close()
    assert status_of(stack, host="evil.test") == 421


@pytest.mark.parametrize("text", ["http://x", "x:80", "x/y", "", "a b", "x@y"])
def test_what_is_named_is_a_name_alone(text: str) -> None:
    assert not is_name(text)
    assert is_name("parley.test")


def test_an_origin_needs_a_port_that_is_one() -> None:
    assert not Names(8000).trust(["http://localhost:99999999"])
    assert not Names(8000).trust(["http://localhost:8000", "http://localhost:8000"])


def status_of(stack: Stack, *, host: str) -> int:
    with socket.create_connection(("127.0.0.1", stack.socket_port), 5) as raw:
        raw.sendall(
            f"GET /api HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "\r\n".encode()
        )
        return int(raw.recv(1000).split()[1])
