"""Answers of the provider in a browser: posted by a form, also where no script runs."""

from collections.abc import Iterator
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.cloud import Cloud
from tests.e2e.oauth.oauth import asking, registered
from tests.e2e.web.world import PASSWORD, World

STATE = "s &<>\"'+%41=ü"


class _Program(BaseHTTPRequestHandler):
    """A program that sends its request by a form, and sends the user on to another host."""

    server: "_Server"

    def do_GET(self) -> None:
        if self.path.startswith("/back?"):
            self._send_on(parse_qs(urlsplit(self.path).query))
            return
        self._show(self.server.start if self.path == "/start" else "Welcome back")

    def do_POST(self) -> None:
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self._send_on(parse_qs(form))

    def _send_on(self, answer: dict[str, list[str]]) -> None:
        self.server.answers.append((self.headers["Origin"], answer))
        self.send_response(303)
        self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/home")
        self.end_headers()

    def _show(self, page: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class _Server(ThreadingHTTPServer):
    """`start`: its page. `url`: its request by GET. `answers`: the origin and the parameters of
    each answer that it got."""

    start = ""
    url = ""
    answers: list[tuple[str | None, dict[str, list[str]]]]


@pytest.fixture
def program(cloud: Cloud) -> Iterator[_Server]:
    with _Server(("127.0.0.1", 0), _Program) as server:
        assert urlsplit(cloud.http_url).hostname == "127.0.0.1"  # so that localhost is another site
        back = f"http://localhost:{server.server_port}/back"
        client = registered(cloud, name="Board", redirect_uris=["http://localhost/back"])
        server.url = asking(cloud.http_url, client, redirect_uri=back, state=STATE)
        url = f"{server.url}&response_mode=form_post"
        path, _, query = url.partition("?")
        fields = "".join(
            f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
            for name, value in parse_qsl(query)
        )
        server.start = f'<form method="post" action="{path}">{fields}<button>Go</button></form>'
        server.answers = []
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def start(page: Page, program: _Server) -> None:
    """Go where the program sends its request from, and have it sent."""
    page.goto(f"http://localhost:{program.server_port}/start")
    page.get_by_role("button").click()


def agree(page: Page, username: str) -> None:
    """Sign in, and allow what is asked for."""
    page.get_by_label("E-mail address or username").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Allow", exact=True).click()


@pytest.mark.parametrize("scripts", [True, False])
def test_a_user_signs_in_and_the_code_is_posted(
    world: World, cloud: Cloud, program: _Server, scripts: bool
) -> None:
    ada = world.person("Ada")
    page = world.new_page(java_script_enabled=scripts)
    start(page, program)
    agree(page, ada.username)
    if not scripts:
        page.get_by_role("button", name="Continue").click()

    expect(page.get_by_text("Welcome back")).to_be_visible()
    assert urlsplit(page.url).path == "/home"
    ((origin, answer),) = program.answers
    assert origin == cloud.http_url
    assert answer["code"]
    assert (answer["state"], answer["iss"]) == ([STATE], [cloud.http_url])

    # The next request comes by a form of another site. It finds them signed in, and their consent.
    start(page, program)
    if not scripts:
        page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("Welcome back")).to_be_visible()
    page.wait_for_url("**/home")
    assert len(program.answers) == 2
    assert program.answers[1][1]["code"] != answer["code"]


def test_a_program_can_send_the_user_on_to_another_host(world: World, program: _Server) -> None:
    """Chromium holds all redirects after a form to the policy of the page that had it."""
    page = world.new_page()
    page.goto(program.url)

    agree(page, world.person("Ada").username)

    expect(page.get_by_text("Welcome back")).to_be_visible()
    assert urlsplit(page.url).path == "/home"
    ((_, answer),) = program.answers
    assert answer["state"] == [STATE]
