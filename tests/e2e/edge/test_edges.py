"""What a request is before anybody reads it: bytes, ids, methods, origins, challenges."""

import json
import secrets
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from chalicelib.edge.headers import bearer
from tests.client import PASSWORD
from tests.cloud import WIDE, Cloud
from tests.e2e.oauth.oauth import Browser, Program, post, registered

OURS = "https://web.example"
PAGE = "https://spa.example"
STRANGER = "https://stranger.example"
OPEN = [
    "/v1/health",
    "/v1/ready",
    "/v1/asyncapi.json",
    "/v1/openapi.json",
    "/v1/auth/google",
    "/.well-known/jwks.json",
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
]
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    state = tmp_path_factory.mktemp("edges")
    with Cloud(state, "--messages", "postgres", RATE_LIMITS=WIDE, CORS_ORIGINS=OURS) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def http(cloud: Cloud) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=cloud.http_url, timeout=40) as client:
        yield client


class Person:
    """Somebody who is signed in."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self.username = f"ana_{secrets.token_hex(5)}"
        self.account = {
            "email": f"{self.username}@example.org",
            "username": self.username,
            "password": PASSWORD,
            "display_name": "Ana",
        }
        answer = http.post("/v1/auth/register", json=self.account)
        assert answer.status_code == 201, answer.text
        self.id: str = answer.json()["user"]["id"]
        self.headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return self.http.request(method, path, json=body, headers={**self.headers, **headers})


@pytest.fixture(scope="module")
def ana(http: httpx.Client) -> Person:
    return Person(http)


@pytest.fixture(scope="module")
def page(cloud: Cloud) -> Program:
    """A public program that runs in a browser."""
    return registered(cloud, confidential=False, redirect_uris=[f"{PAGE}/back", "http://[::1]/cb"])


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] in ("application/problem+json", "application/json")
    return answer.status_code, answer.json()["code"]


class TestBytes:
    @pytest.mark.parametrize("password", ["schöne grüße für bär äffle", "größe ß süßes maßband"])
    def test_a_password_in_latin_1_is_refused(self, http: httpx.Client, password: str) -> None:
        name = f"ana_{secrets.token_hex(5)}"
        account = {
            "email": f"{name}@example.org",
            "username": name,
            "password": password,
            "display_name": "Ana",
        }
        text = json.dumps(account, ensure_ascii=False)
        refused = http.post("/v1/auth/register", content=text.encode("latin-1"), headers=JSON)
        charset = {"Content-Type": "application/json; charset=latin-1"}
        other = http.post("/v1/auth/register", content=text.encode("latin-1"), headers=charset)
        made = http.post("/v1/auth/register", content=text.encode(), headers=JSON)
        login = json.dumps({"login": name, "password": password}, ensure_ascii=False)
        wrong = http.post("/v1/auth/login", content=login.encode("latin-1"), headers=JSON)
        right = http.post("/v1/auth/login", content=login.encode(), headers=JSON)

        assert problem(refused) == problem(wrong) == (400, "bad_request")
        assert problem(other) == (415, "unsupported_media_type")
        assert (made.status_code, right.status_code) == (201, 200)

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-8-sig"])
    def test_json_in_another_encoding_is_refused(self, http: httpx.Client, encoding: str) -> None:
        content = '{"login": "ana", "password": "x"}'.encode(encoding)

        answer = http.post("/v1/auth/login", content=content, headers=JSON)

        assert problem(answer) == (400, "bad_request")

    @pytest.mark.parametrize("path", ["/oauth2/token", "/oauth2/revoke", "/oauth2/authorize"])
    def test_neither_is_a_form(self, http: httpx.Client, path: str) -> None:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        assert http.post(path, content=b"a=\xe4", headers=form).status_code == 400
        form["Content-Type"] += "; charset=latin-1"
        assert http.post(path, content=b"a=b", headers=form).status_code == 415

    @pytest.mark.parametrize(
        ("path", "status"),
        [
            ("/v1/users/%ff", 404),
            ("/v1/users/%ED%A0%80", 404),
            ("/v1/users/%zz", 404),
            ("/v1/chats?cursor=%ff", 422),
            ("/v1/chats?%ff=1", 422),
            ("/v1/users?username=%C3", 422),
            ("/v1/chats?cursor=%zz", 422),
        ],
    )
    def test_a_path_or_a_query_that_is_not_utf_8_is_refused(
        self, ana: Person, path: str, status: int
    ) -> None:
        assert ana.call("GET", path).status_code == status

    def test_nor_may_a_page_be_asked_like_that(self, http: httpx.Client) -> None:
        answer = http.get("/oauth2/authorize?client_id=x&state=%ff")

        assert answer.status_code == 400
        assert "text/html" in answer.headers["content-type"]

    def test_a_header_in_latin_1_fails_nothing(self, http: httpx.Client) -> None:
        headers = {b"User-Agent": b"\xe4\xff", b"Authorization": b"Bearer \xff", b"Cookie": b"\xff"}

        assert http.get("/v1/users/me", headers=headers).status_code == 401
        sent = {**headers, b"Content-Type": b"application/json"}
        login = http.post(
            "/v1/auth/login", content=b'{"login": "x", "password": "y"}', headers=sent
        )
        assert login.status_code == 401

    @pytest.mark.parametrize(
        "body",
        [
            b'{"login": "a", "login": "b", "password": "x"}',
            b'{"login": NaN, "password": "x"}',
            b'{"login": ' + b"9" * 60_000 + b', "password": "x"}',
            b'{"login": 1e999, "password": "x"}',
            b'{"login": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
            b'{"login": ' + b'{"a":' * 10_000 + b"1" + b"}" * 10_001,
            b'{"login": "\\ud800", "password": "\\udfff"}',
        ],
        ids=["twice", "nan", "digits", "huge", "lists", "objects", "surrogates"],
    )
    def test_strange_json_never_fails_us(self, http: httpx.Client, body: bytes) -> None:
        answer = http.post("/v1/auth/login", content=body, headers=JSON)

        assert answer.status_code in (400, 401, 422), answer.text


class TestIds:
    def test_are_the_same_in_either_case(self, http: httpx.Client, ana: Person) -> None:
        bo = Person(http)
        chat = ana.call("POST", "/v1/chats", {"kind": "direct", "user_id": bo.id.upper()}).json()
        client_id = str(uuid.uuid4())
        path = f"/v1/chats/{chat['id'].upper()}/messages"
        drafts = [
            {"client_id": each, "content": {"kind": "text", "text": "hi"}}
            for each in (client_id.upper(), client_id)
        ]
        first, second = (ana.call("POST", path, draft).json() for draft in drafts)

        assert chat["id"] == chat["id"].lower()
        assert (chat["partner"]["user_id"], chat["member_count"]) == (bo.id, 2)
        members = ana.call("GET", f"/v1/chats/{chat['id'].upper()}/members").json()
        assert {one["user_id"] for one in members["items"]} == {ana.id, bo.id}
        assert members["next"] is None
        assert first == second
        assert (first["chat_id"], first["client_id"]) == (chat["id"], client_id)
        assert len(ana.call("GET", path).json()["items"]) == 1
        assert ana.call("GET", f"/v1/users/{bo.id.upper()}").json()["id"] == bo.id
        many = ana.call("GET", f"/v1/users?ids={bo.id.upper()},{bo.id}").json()["items"]
        assert [one["id"] for one in many] == [bo.id]

    def test_of_programs_too(self, cloud: Cloud, http: httpx.Client, page: Program) -> None:
        own = registered(cloud, scopes=["tokens.introspect"], redirect_uris=[],
                         post_logout_redirect_uris=[])  # fmt: skip
        shouting = Program(own.id.upper(), own.secret)

        answer = post(cloud.http_url, "/oauth2/token", shouting, grant_type="client_credentials")

        assert answer.status_code == 200, answer.text
        token = answer.json()["access_token"]
        told = post(cloud.http_url, "/oauth2/introspect", shouting, token=token).json()
        assert told["client_id"] == own.id
        query = {"client_id": page.id.upper(), "redirect_uri": f"{PAGE}/back", "scope": "openid",
                 "response_type": "code", "code_challenge": "c" * 43,
                 "code_challenge_method": "S256"}  # fmt: skip
        assert Browser(cloud.http_url).get("/oauth2/authorize", **query).title.startswith("Sign in")


class TestHead:
    @pytest.mark.parametrize("path", [*OPEN, "/"])
    def test_is_answered_as_get_without_its_body(self, http: httpx.Client, path: str) -> None:
        get, head = http.get(path), http.head(path)

        assert (head.status_code, head.content) == (get.status_code, b"")
        for name in get.headers:
            if name not in ("x-request-id", "x-amzn-requestid", "date", "content-length"):
                assert head.headers[name] == get.headers[name]
        sizes = [int(answer.headers["content-length"]) for answer in (head, get)]
        assert abs(sizes[0] - sizes[1]) < 20  # latencies

    @pytest.mark.parametrize("path", ["/v1/users/me", "/v1/auth/login", "/oauth2/authorize"])
    def test_other_routes_do_not_take_it(self, http: httpx.Client, path: str) -> None:
        assert http.head(path).status_code == 403


class TestChallenges:
    def test_say_what_is_wrong_with_a_token(
        self, cloud: Cloud, http: httpx.Client, ana: Person
    ) -> None:
        none = http.get("/oauth2/userinfo")
        bad = http.get("/oauth2/userinfo", headers={"Authorization": "Bearer x"})
        narrow = ana.call("GET", "/v1/admin/audit")
        wrong = http.post("/v1/auth/login", json={"login": ana.username, "password": "x" * 10})
        again = ana.call("POST", "/v1/users/me/delete", {"password": "wrong wrong wrong"})

        assert none.headers["www-authenticate"] == bearer(cloud.http_url)
        assert bad.headers["www-authenticate"] == bearer(cloud.http_url, "invalid_token")
        assert 'error="insufficient_scope", scope="admin.' in narrow.headers["www-authenticate"]
        for answer in (wrong, again):
            assert problem(answer) == (401, "invalid_credentials")
            assert answer.headers["www-authenticate"] == bearer(cloud.http_url)

    def test_ask_a_program_for_its_secret(self, cloud: Cloud, http: httpx.Client) -> None:
        wrong = Program(registered(cloud).id, "wrong")
        for path in ("/oauth2/token", "/oauth2/revoke", "/oauth2/introspect"):
            form = {"grant_type": "client_credentials", "token": "x"}
            answer = post(cloud.http_url, path, wrong, **form)
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
            assert answer.headers["www-authenticate"] == 'Basic realm="parley"'


def preflight(http: httpx.Client, path: str, origin: str, method: str = "POST") -> httpx.Headers:
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    return http.options(path, headers=asked).headers


class TestOrigins:
    ALLOWED = "access-control-allow-origin"

    @pytest.mark.parametrize("path", [*OPEN, "/oauth2/userinfo"])
    def test_every_page_reads_what_is_public(self, http: httpx.Client, path: str) -> None:
        answer = http.get(path, headers={"Origin": STRANGER}).headers

        assert answer[self.ALLOWED] == preflight(http, path, STRANGER, "GET")[self.ALLOWED] == "*"
        assert "WWW-Authenticate" in answer["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in answer

    @pytest.mark.parametrize("path", ["/oauth2/token", "/oauth2/revoke"])
    def test_the_page_of_a_public_program_reaches_tokens(
        self, http: httpx.Client, page: Program, path: str
    ) -> None:
        form = {"client_id": page.id, "grant_type": "refresh_token", "token": "x",
                "refresh_token": "x"}  # fmt: skip
        for origin in (PAGE, OURS, "http://[::1]:5173"):
            asked = preflight(http, path, origin)
            answer = http.post(path, data=form, headers={"Origin": origin})
            assert asked[self.ALLOWED] == answer.headers[self.ALLOWED] == origin
            assert "POST" in asked["access-control-allow-methods"]
            assert answer.headers["vary"] == "Origin"
        for origin in (STRANGER, f"{PAGE}:8443", "null", PAGE.replace("https", "http")):
            assert self.ALLOWED not in preflight(http, path, origin)
            answer = http.post(path, data=form, headers={"Origin": origin})
            assert self.ALLOWED not in answer.headers

    def test_a_confidential_program_has_no_page(self, cloud: Cloud, http: httpx.Client) -> None:
        registered(cloud, redirect_uris=["https://server.example/back"])

        assert self.ALLOWED not in preflight(http, "/oauth2/token", "https://server.example")

    def test_everything_else_is_for_the_origins_of_the_setting(
        self, http: httpx.Client, page: Program, ana: Person
    ) -> None:
        for origin, allowed in ((OURS, OURS), (PAGE, None), (STRANGER, None)):
            assert (
                ana.call("GET", "/v1/users/me", Origin=origin).headers.get(self.ALLOWED) == allowed
            )
            assert preflight(http, "/oauth2/introspect", origin).get(self.ALLOWED) == allowed

    def test_every_page_reads_what_the_gateway_refuses(self, http: httpx.Client) -> None:
        sent = {"Origin": STRANGER, **JSON}
        unknown = http.get("/v1/nothing", headers=sent)
        large = http.post("/v1/auth/login", content=b"x" * 11_000_000, headers=sent)

        assert problem(unknown) == (403, "unknown_route")
        assert problem(large) == (413, "too_large")
        for answer in (unknown, large):
            assert answer.headers[self.ALLOWED] == "*"
