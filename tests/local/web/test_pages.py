"""The pages beside the API: the web client, its configuration, the pushes."""

import base64
import hashlib
import http.client
import json
import re

import httpx
import pytest

from chalicelib.edge.headers import PRIVATE
from tests.local.stack import Stack


@pytest.fixture
def client(stack: Stack) -> httpx.Client:
    (stack.folder / "outside.txt").write_text("no")
    return httpx.Client(base_url=stack.http_url)


def assets(client: httpx.Client) -> list[str]:
    """The paths of the bundles that the page names."""
    found = re.findall(r'(?:src|href)="(assets/[^"]+)"', client.get("/").text)
    return [f"/{path}" for path in found]


def raw_get(stack: Stack, path: str) -> tuple[int, bytes]:
    """GET a path that a client library would tidy up."""
    connection = http.client.HTTPConnection("127.0.0.1", stack.http_port, timeout=5)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


class TestWebClient:
    def test_is_a_page_with_a_script_and_a_style(self, client: httpx.Client) -> None:
        page = client.get("/")

        script, *_, style = assets(client)
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert client.get(script).headers["Content-Type"] == "text/javascript; charset=utf-8"
        assert client.get(style).headers["Content-Type"] == "text/css; charset=utf-8"

    def test_is_answered_to_head_without_its_bytes(self, client: httpx.Client) -> None:
        for path in ["/", *assets(client), "/config.json"]:
            get, head = client.get(path), client.head(path)

            assert (head.status_code, head.content) == (200, b"")
            for name in ("Content-Type", "Content-Length", *PRIVATE):
                assert head.headers[name] == get.headers[name]

    def test_says_what_browsers_may_do_with_it(self, client: httpx.Client) -> None:
        policies = set()
        for path in ("/", *assets(client), "/logo.svg"):
            answer = client.get(path)
            policies.add(answer.headers["Content-Security-Policy"])
            for name in PRIVATE.keys() - {"Cache-Control", "Content-Security-Policy"}:
                assert answer.headers[name] == PRIVATE[name]
        for path in ("/config.json", "/_local/pushes"):
            answer = client.get(path)
            assert {name: answer.headers[name] for name in PRIVATE} == PRIVATE
        [policy] = policies
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy

    def test_says_in_its_page_what_its_headers_say(self, client: httpx.Client) -> None:
        page = client.get("/")
        found = re.search(r'Content-Security-Policy" content="([^"]+)"', page.text)

        assert found
        assert page.headers["Content-Security-Policy"] == f"{found[1]}; frame-ancestors 'none'"

    def test_allows_what_is_inlined_by_its_hash_alone(self, client: httpx.Client) -> None:
        page = client.get("/")
        policy = page.headers["Content-Security-Policy"]

        for tag, name in (("style", "style-src"), ("script", "script-src")):
            [text] = re.findall(rf"<{tag}>(.+?)</{tag}>", page.text, re.DOTALL)
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"{name} 'self' 'sha256-{digest}';" in policy

    def test_is_kept_for_ever_by_the_name_of_what_is_in_it(self, client: httpx.Client) -> None:
        for path in assets(client):
            assert re.search(r"-[0-9A-Z]{8}\.(js|css)$", path)
            answer = client.get(path)
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"

    @pytest.mark.parametrize(("path", "mark"), [("/", ""), ("/logo.svg", ""), ("/", "W/")])
    def test_is_asked_for_again_where_the_name_stays(
        self, client: httpx.Client, path: str, mark: str
    ) -> None:
        first = client.get(path)
        assert first.headers["Cache-Control"] == "no-cache"

        known = f'"other", {mark}{first.headers["ETag"]}'
        again = client.get(path, headers={"If-None-Match": known})
        other = client.get(path, headers={"If-None-Match": '"other"'})

        assert (again.status_code, again.content) == (304, b"")
        for name in ("ETag", "Cache-Control", "Vary", "Content-Security-Policy"):
            assert again.headers[name] == first.headers[name]
        assert (other.status_code, other.content) == (200, first.content)

    @pytest.mark.parametrize(
        ("accepted", "coding"),
        [
            ("gzip, deflate, br, zstd", "br"),
            ("gzip", "gzip"),
            ("GZIP;q=0.5", "gzip"),
            ("br;q=0, gzip", "gzip"),
            ("br;q=0.000", None),
            ("brotli", None),
            ("identity", None),
            ("", None),
        ],
    )
    def test_is_compressed_as_the_browser_takes_it(
        self, client: httpx.Client, accepted: str, coding: str | None
    ) -> None:
        plain = client.get("/", headers={"Accept-Encoding": "identity"})

        answer = client.get("/", headers={"Accept-Encoding": accepted})

        assert answer.headers.get("Content-Encoding") == coding
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert answer.text == plain.text
        smaller = int(answer.headers["Content-Length"]) < int(plain.headers["Content-Length"])
        assert smaller is bool(coding)
        assert (answer.headers["ETag"] != plain.headers["ETag"]) is bool(coding)

    def test_shows_changes_at_once(self, client: httpx.Client, stack: Stack) -> None:
        before, *_ = assets(client)
        with (stack.folder / "web/js/main.js").open("a") as file:
            file.write('document.title = "changed";\n')

        after, *_ = assets(client)

        assert after != before
        assert '"changed"' in client.get(after).text

    def test_ignores_a_broken_link(self, client: httpx.Client, stack: Stack) -> None:
        link = stack.folder / "web" / ".#main.js"  # As an editor notes who edits a file.
        link.symlink_to("somebody@somewhere")

        assert client.get("/").status_code == 200
        link.unlink()

    def test_says_what_cannot_be_bundled_and_goes_on_once_it_can(
        self, client: httpx.Client, stack: Stack
    ) -> None:
        module = stack.folder / "web/js/main.js"
        whole = module.read_text()
        module.write_text("import './missing.js';")

        broken = client.get("/")
        module.write_text(whole)

        assert broken.status_code == 500
        assert "missing.js" in broken.text
        assert "missing.js" in stack.reports.pop()
        assert client.get("/").status_code == 200

    @pytest.mark.parametrize(
        "path",
        [
            "/../outside.txt",
            "/assets/../../outside.txt",
            "/%2e%2e/outside.txt",
            "/..%2foutside.txt",
        ],
    )
    def test_leaves_its_folder_to_nobody(
        self, client: httpx.Client, stack: Stack, path: str
    ) -> None:
        assert client.get("/").status_code == 200

        status, body = raw_get(stack, path)

        assert status == 403
        assert json.loads(body)["code"] == "unknown_route"

    @pytest.mark.parametrize(
        "path",
        [
            *["/package.json", "/package-lock.json", "/js/main.js", "/css/base.css", "/assets"],
            *["/assets/", "/index.html/", "/node_modules/esbuild/package.json", "/.secret"],
            *["/nothing.html", "/%00", "//etc/passwd"],
        ],
    )
    def test_hides_everything_else(self, client: httpx.Client, stack: Stack, path: str) -> None:
        assert client.get("/").status_code == 200

        assert raw_get(stack, path)[0] == 403

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
