"""The pages beside the API: the web client, its configuration, the pushes."""

import http.client
import json
from pathlib import Path

import httpx
import pytest

from local.pages import HEADERS
from tests.local.stack import Stack


@pytest.fixture
def client(stack: Stack) -> httpx.Client:
    web = stack.folder / "web"
    (web / "js").mkdir(exist_ok=True)
    (web / "index.html").write_text("<title>é</title>", encoding="utf-8")
    (web / "js" / "main.js").write_text("export {}")
    (web / ".secret").write_text("no")
    (stack.folder / "outside.txt").write_text("no")
    return httpx.Client(base_url=stack.http_url)


def raw_get(stack: Stack, path: str) -> tuple[int, bytes]:
    """GET a path that a client library would tidy up."""
    connection = http.client.HTTPConnection("127.0.0.1", stack.http_port, timeout=5)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


class TestWebClient:
    def test_is_served_at_the_root_and_never_cached(self, client: httpx.Client) -> None:
        answer = client.get("/")

        assert answer.text == "<title>é</title>"
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-store"

    @pytest.mark.parametrize("path", ["/", "/js/main.js", "/config.json"])
    def test_is_answered_to_head_without_its_bytes(self, client: httpx.Client, path: str) -> None:
        get, head = client.get(path), client.head(path)

        assert (head.status_code, head.content) == (200, b"")
        for name in ("Content-Type", "Content-Length", *HEADERS):
            assert head.headers[name] == get.headers[name]

    def test_says_what_browsers_may_do_with_it(self, client: httpx.Client) -> None:
        for path in ("/", "/js/main.js", "/config.json", "/_local/pushes"):
            answer = client.get(path)
            assert {name: answer.headers[name] for name in HEADERS} == HEADERS
        policy = HEADERS["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy

    def test_has_modules_with_a_type_that_browsers_run(self, client: httpx.Client) -> None:
        assert client.get("/js/main.js").headers["Content-Type"] == (
            "text/javascript; charset=utf-8"
        )

    def test_shows_changes_at_once(self, client: httpx.Client, stack: Stack) -> None:
        client.get("/js/main.js")
        Path(stack.folder / "web" / "js" / "main.js").write_text("export const changed = 1")

        assert "changed" in client.get("/js/main.js").text

    @pytest.mark.parametrize(
        "path",
        ["/../outside.txt", "/js/../../outside.txt", "/%2e%2e/outside.txt", "/..%2foutside.txt"],
    )
    def test_leaves_its_folder_to_nobody(
        self, client: httpx.Client, stack: Stack, path: str
    ) -> None:
        assert client.get("/").status_code == 200

        status, body = raw_get(stack, path)

        assert status == 403
        assert json.loads(body)["code"] == "unknown_route"

    @pytest.mark.parametrize("path", ["/.secret", "/js", "/nothing.html", "/%00", "//etc/passwd"])
    def test_hides_everything_else(self, client: httpx.Client, stack: Stack, path: str) -> None:
        assert client.get("/").status_code == 200

        assert raw_get(stack, path)[0] == 403

    def test_follows_no_link_out_of_its_folder(self, client: httpx.Client, stack: Stack) -> None:
        link = stack.folder / "web" / "link.txt"
        link.unlink(missing_ok=True)
        link.symlink_to(stack.folder / "outside.txt")

        assert client.get("/link.txt").status_code == 403

    def test_learns_that_this_is_the_local_cloud(self, client: httpx.Client) -> None:
        assert client.get("/config.json").json() == {"api": "", "local": True}


PUSH = {"token": "t1", "notification": {"title": "Ada", "body": "Hi"}, "data": {"a": "b"}}


class TestPushes:
    def test_are_shown_newest_first_after_an_id(self, client: httpx.Client, stack: Stack) -> None:
        first = stack.pushes.add(PUSH)
        stack.pushes.add({**PUSH, "token": "t2"})

        items = client.get("/_local/pushes").json()["items"]

        assert [item["token"] for item in items[:2]] == ["t2", "t1"]
        assert items[0]["title"] == "Ada"
        assert items[0]["body"] == "Hi"
        assert items[0]["data"] == {"a": "b"}
        later = client.get("/_local/pushes", params={"after": first.id}).json()["items"]
        assert [item["token"] for item in later] == ["t2"]

    def test_can_be_cleared(self, client: httpx.Client, stack: Stack) -> None:
        stack.pushes.add(PUSH)

        assert client.delete("/_local/pushes").status_code == 204
        assert client.get("/_local/pushes").json() == {"items": []}

    def test_refuse_a_strange_after(self, client: httpx.Client) -> None:
        assert client.get("/_local/pushes?after=x").status_code == 400

    @pytest.mark.parametrize("method", ["GET", "DELETE"])
    @pytest.mark.parametrize(
        "headers",
        [
            {"Host": "evil.example"},
            {"Host": "evil.example:8000", "Origin": "http://evil.example:8000"},
            {"Host": "127.0.0.1.evil.example"},
            {"Origin": "http://evil.example"},
            {"Origin": "http://localhost:1"},
            {"Origin": "null"},
        ],
    )
    def test_are_refused_to_pages_of_others(
        self, client: httpx.Client, stack: Stack, method: str, headers: dict[str, str]
    ) -> None:
        stack.pushes.add(PUSH)

        answer = client.request(method, "/_local/pushes", headers=headers)

        assert answer.status_code == (421 if "Host" in headers else 403)
        assert "t1" not in answer.text
        assert stack.pushes.after(0)

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
    def test_are_shown_to_our_own_page(self, client: httpx.Client, stack: Stack, host: str) -> None:
        own = f"{host}:{stack.http_port}"
        headers = {"Host": own, "Origin": f"http://{own}"}

        assert client.get("/_local/pushes", headers=headers).status_code == 200
