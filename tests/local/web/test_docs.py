"""The reference for people: what is built, and how the local cloud serves it."""

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

import app  # noqa: F401  so that every action is known
from chalicelib.edge.frames import ACTIONS
from docs.generators import reference
from local import options
from local.web.docs import Docs, policy
from tests.cloud import ROOT

Ask = Callable[..., web.Response | None]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ask, Path, list[str]]:
    """Asks /docs, which is built by the first question; where the files are; what was reported."""
    folder, reports = tmp_path_factory.mktemp("docs"), list[str]()

    async def others(request: web.BaseRequest) -> web.Response:
        return web.Response(status=418)

    pages = Docs(
        folder=folder,
        server="http://api.test",
        socket="ws://socket.test",
        others=others,
        report=reports.append,
    )

    def ask(path: str, method: str = "GET", **headers: str) -> Any:
        return asyncio.run(pages(make_mocked_request(method, path, headers)))

    ask("/docs/")
    return ask, folder, reports


def body(answer: web.Response | None) -> str:
    assert answer is not None
    assert isinstance(answer.body, bytes)
    return answer.body.decode()


def test_every_page_is_served_with_a_policy_that_allows_what_it_has(
    served: tuple[Ask, Path, list[str]],
) -> None:
    ask, folder, reports = served
    pages = [path.relative_to(folder).as_posix() for path in folder.rglob("*.html")]
    wanted = {"index.html", "quickstart.html", "openapi.html", "asyncapi.html", "errors.html"}

    assert reports == []
    assert wanted <= set(pages)
    for name in pages:
        answer = ask(f"/docs/{name}")
        text, sent = body(answer), answer.headers["Content-Security-Policy"] if answer else ""
        assert sent == policy(text), name
        assert "unsafe-inline" not in sent.replace("style-src-attr 'unsafe-inline'", ""), name
        assert re.findall(r"<script(?![^>]* src=)", text) == [], name
        assert ("script-src" in sent) == (name in ("openapi.html", "asyncapi.html")), name


def test_no_page_loads_from_another_host_or_links_into_nothing(
    served: tuple[Ask, Path, list[str]],
) -> None:
    _, folder, _ = served
    for path in folder.rglob("*.html"):
        text = path.read_text()
        loaded = re.findall(r'<(?:script|img|link)[^>]* (?:src|href)="([^"]*)"', text)
        linked = re.findall(r'<a href="([^"]*)"', text) if "<script" not in text else []
        assert not [one for one in loaded if urlsplit(one).netloc], path
        for aim in (*loaded, *linked):
            parts = urlsplit(aim)
            if parts.scheme:
                continue
            found = (path.parent / parts.path) if parts.path else path
            assert found.is_file(), f"{path}: {aim}"
            if parts.fragment and found.suffix == ".html":
                assert f'id="{parts.fragment}"' in found.read_text(), f"{path}: {aim}"


def test_the_references_hold_every_route_and_action(served: tuple[Ask, Path, list[str]]) -> None:
    ask, _, _ = served

    assert '"/v1/auth/login"' in body(ask("/docs/openapi-1.js"))
    assert "http://api.test" in body(ask("/docs/openapi.json"))
    assert "ws" in json.loads(body(ask("/docs/asyncapi.json")))["servers"]["socket"]["protocol"]
    assert all(f'"{name}' in body(ask("/docs/asyncapi-1.js")) for name in ACTIONS)
    for name, listed in (("openapi", "POST /v1/auth/login"), ("asyncapi", "message.send")):
        without = body(ask(f"/docs/{name}.html")).partition("<noscript>")[2]
        assert f"<code>{listed}</code>" in without.partition("</noscript>")[0]
    assert "/redoc/logo" not in body(ask("/docs/redoc.standalone.js"))


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/docs", "GET", 308),
        ("/docs/", "HEAD", 200),
        ("/docs/", "POST", None),
        ("/docs/nothing.html", "GET", None),
        ("/docs/decisions", "GET", None),
        ("/docs/%00", "GET", None),
        ("/docs/..%2f..%2fetc/passwd", "GET", None),
        ("/docs/%2fetc/passwd", "GET", None),
        ("/docs/" + "a" * 300, "GET", None),
        ("/docs/" + "a/" * 3000, "GET", None),
        ("/docs/index.html/", "GET", None),
        ("/docs/./index.html", "GET", None),
        ("/documents", "GET", 418),
        ("/", "GET", 418),
    ],
)
def test_only_files_of_the_reference_are_served(
    served: tuple[Ask, Path, list[str]], path: str, method: str, status: int | None
) -> None:
    ask, _, _ = served
    answer = ask(path, method)

    assert (answer.status if answer else None) == status


def test_without_its_renderer_the_rest_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference, "REDOCLY", tmp_path / "nowhere")
    reference.build(tmp_path / "docs", "http://api.test", "ws://socket.test")

    for name in ("openapi", "asyncapi"):
        page = (tmp_path / "docs" / f"{name}.html").read_text()
        assert "make docs" in page
        assert f'href="{name}.json"' in page
    assert "/v1/auth/login" in (tmp_path / "docs" / "openapi.json").read_text()
    assert 'href="quickstart.html"' in (tmp_path / "docs" / "index.html").read_text()


def test_a_document_that_cannot_be_rendered_is_reported(tmp_path: Path) -> None:
    with pytest.raises(reference.NotBuilt):
        reference.render(tmp_path, "asyncapi", "Sockets", {"asyncapi": "9.9.9"})

    assert "make docs" in (tmp_path / "asyncapi.html").read_text()


def test_the_command_is_make_docs() -> None:
    makefile = (ROOT / "Makefile").read_text()

    assert "-m docs.generators.reference build/docs" in makefile
    assert options.ROOT == ROOT


def test_a_page_that_the_browser_has_is_not_sent_again(
    served: tuple[Ask, Path, list[str]],
) -> None:
    ask, _, _ = served
    tags = []
    for page in ("/docs/", "/docs/openapi.json"):
        first = ask(page)
        assert first is not None
        tags.append(first.headers["ETag"])
        again = ask(page, **{"If-None-Match": tags[-1]})
        assert again is not None
        assert (first.status, again.status, again.body) == (200, 304, None)
        assert again.headers["ETag"] == tags[-1]
        policy_of_both = {one.headers["Content-Security-Policy"] for one in (first, again)}
        assert len(policy_of_both) == 1

    other = ask("/docs/", **{"If-None-Match": tags[-1]})
    assert other is not None
    assert other.status == 200
