"""`endpoint`: who may call, what is read, how errors look."""

import json
from typing import Any, ClassVar

import pytest
from chalice import Blueprint, Chalice

from chalicelib.deps import deps
from chalicelib.edge import endpoints, rest
from chalicelib.edge.forms import FORM
from chalicelib.edge.headers import bearer
from chalicelib.edge.requests import MAX_BODY
from chalicelib.errors import (
    Forbidden,
    InvalidCredentials,
    RateLimited,
    Unauthorized,
    Unavailable,
)
from chalicelib.identity import Identity, Source
from chalicelib.limits.table import Bucket, Quota, Use, fields_of
from chalicelib.messages.models.messages import Draft
from chalicelib.messages.pages import HistoryQuery
from chalicelib.wire import Id, Sent
from tests.unit.settings import settings

CHAT = "00000000-0000-7000-8000-000000000001"
HELLO = '{"client_id": "c1", "content": {"kind": "text", "text": "hi"}}'


CHALLENGE = bearer(settings().issuer)
BAD_TOKEN = bearer(settings().issuer, "invalid_token")


class FakeAuth:
    """Knows one token."""

    def admit(self, authorization: str, use: Use) -> tuple[Identity, list[Quota]]:
        if authorization == "Bearer busy":
            raise RateLimited(7, fields_of([Quota("busy", Bucket(5, 35), 0, 7)]))
        if authorization == "Bearer down":
            raise Unavailable("redis")
        if authorization != "Bearer good":
            raise Unauthorized()
        identity = Identity(user_id="ana", session_id="s", scopes=frozenset({"chats.read"}))
        return identity, [Quota(use.limit, Bucket(5, 35), 5, 0)]


class FakeThrottle:
    """Counts who comes without a session."""

    def __init__(self) -> None:
        self.uses: list[Use] = []

    def anonymous(self, use: Use) -> list[Quota]:
        self.uses.append(use)
        return [Quota(f"{use.limit}-address", Bucket(300, 30), 299, 1)]


@pytest.fixture
def called() -> list[Any]:
    return []


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, called: list[Any]) -> Chalice:
    monkeypatch.setitem(vars(deps), "auth", FakeAuth())
    monkeypatch.setitem(vars(deps), "settings", settings())
    monkeypatch.setitem(vars(deps), "throttle", FakeThrottle())
    monkeypatch.setattr(endpoints, "ENDPOINTS", [])
    bp = Blueprint(__name__)

    @rest.endpoint(bp, "POST /chats/{chat_id}", scope="chats.read", status=201)
    def post(chat_id: Id, identity: Identity, body: Draft) -> Draft:
        called.append((chat_id, identity.user_id))
        return body

    @rest.endpoint(bp, "GET /chats/{chat_id}", scope="chats.read")
    def get(chat_id: Id, identity: Identity, query: HistoryQuery) -> HistoryQuery:
        return query

    @rest.endpoint(bp, "GET /admin", scope="admin")
    def admin(identity: Identity) -> None:
        called.append("admin")

    @rest.endpoint(bp, "GET /forbidden", scope="chats.read")
    def forbidden(identity: Identity) -> None:
        raise Forbidden()

    @rest.endpoint(bp, "POST /again", scope="chats.read")
    def again(identity: Identity) -> None:
        raise InvalidCredentials()

    @rest.endpoint(bp, "POST /sign-in")
    def sign_in() -> None:
        raise Unauthorized()

    @rest.endpoint(bp, "GET /open")
    def open_(source: Source) -> rest.Reply[dict[str, str]]:
        return rest.Reply({"address": source.address, "agent": source.user_agent}, 202)

    @rest.endpoint(bp, "GET /memory", limit="open")
    def memory() -> None: ...
    @rest.endpoint(bp, "GET /page", page=_page)
    def page() -> rest.Answer:
        raise Unavailable("redis")

    @rest.endpoint(bp, "POST /form", status=303, page=_page)
    def form(sent: Sent) -> rest.Answer:
        called.append(sent)
        return rest.Answer(
            status=303, body="ok", headers={"Location": "/x"}, cookies=("a=1", "b=2")
        )

    @rest.endpoint(bp, "POST /told", told=lambda error: {"error": f"x_{error.code}"})
    def told(sent: Sent) -> rest.Answer:
        raise Unavailable("redis")

    @rest.endpoint(bp, "GET /broken")
    def broken() -> None:
        raise RuntimeError("hunter2")

    app = Chalice("test", configure_logs=False)
    app.register_blueprint(bp)
    return app


def _page(problem: str) -> rest.Answer:
    return rest.Answer(body=json.dumps({"told": problem}), headers={"Content-Type": "text/html"})


def call(
    app: Chalice,
    route: str,
    *,
    token: str | None = "good",
    body: str | None = None,
    query: dict[str, list[str]] | None = None,
    headers: dict[str, str] | None = None,
    **parameters: str,
) -> tuple[int, dict[str, str], Any]:
    method, path = route.split(" ")
    kind = {} if body is None else {"content-type": "application/json"}
    sent = {"user-agent": "pytest", "x-forwarded-for": "6.6.6.6", **kind, **(headers or {})}
    if token:
        sent["authorization"] = f"Bearer {token}"
    event = {
        "multiValueQueryStringParameters": query,
        "headers": sent,
        "pathParameters": parameters,
        "requestContext": {
            "httpMethod": method,
            "resourcePath": path,
            "requestId": "r1",
            "identity": {"sourceIp": "10.0.0.1"},
        },
        "body": body,
        "stageVariables": None,
    }
    answer = app(event, None)
    found = {name.lower(): value for name, value in answer["headers"].items()}
    text = answer["body"] or None
    is_page = found["content-type"].startswith("text/html")
    return answer["statusCode"], found, text if is_page or not text else json.loads(text)


def test_a_view_gets_what_its_annotations_ask_for(app: Chalice, called: list[Any]) -> None:
    status, headers, body = call(app, "POST /chats/{chat_id}", chat_id=CHAT, body=HELLO)

    assert (status, body["client_id"]) == (201, "c1")
    assert headers["x-request-id"] == "r1"
    assert called == [(CHAT, "ana")]


def test_without_a_token_the_body_is_not_read(app: Chalice, called: list[Any]) -> None:
    status, headers, body = call(app, "POST /chats/{chat_id}", chat_id="x", body="{", token=None)

    assert (status, body["code"]) == (401, "unauthorized")
    assert headers["www-authenticate"] == CHALLENGE
    assert called == []


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer  ", "Basic eDp5", "good"])
def test_a_request_without_a_token_is_asked_for_one(app: Chalice, authorization: str) -> None:
    """RFC 6750, section 3.1: without an error."""
    headers = {"authorization": authorization}
    status, answered, _ = call(app, "GET /admin", token=None, headers=headers)

    assert (status, answered["www-authenticate"]) == (401, CHALLENGE)


def test_a_request_with_a_bad_token_is_told_so(app: Chalice) -> None:
    status, answered, _ = call(app, "GET /admin", token="bad")

    assert status == 401
    assert answered["www-authenticate"] == BAD_TOKEN


def test_a_wrong_password_is_not_a_wrong_token(app: Chalice) -> None:
    """RFC 9110, section 15.5.2: a 401 has a challenge. The token that came is good, or none is
    asked for, so a client that renews it would gain nothing."""
    for route in ("POST /again", "POST /sign-in"):
        for token in ("good", None) if route == "POST /sign-in" else ("good",):
            status, answered, body = call(app, route, token=token)
            assert (status, answered["www-authenticate"]) == (401, CHALLENGE)
            assert body["code"] == ("invalid_credentials" if "again" in route else "unauthorized")


def test_a_scope_that_the_session_lacks_is_forbidden(app: Chalice, called: list[Any]) -> None:
    status, headers, body = call(app, "GET /admin")

    assert (status, body["code"], called) == (403, "forbidden", [])
    challenge = headers["www-authenticate"]
    assert challenge.startswith('Bearer realm="parley", error="insufficient_scope", scope="admin"')


def test_other_forbidden_errors_name_no_scope(app: Chalice) -> None:
    status, headers, _ = call(app, "GET /forbidden")

    assert status == 403
    assert "www-authenticate" not in headers


def test_head_is_answered_like_get_on_public_routes(app: Chalice) -> None:
    assert call(app, "HEAD /memory", token=None) == call(app, "GET /memory", token=None)
    methods = {path: set(found) for path, found in app.routes.items()}
    assert methods["/memory"] == {"GET", "HEAD"}
    assert methods["/admin"] == methods["/page"] == methods["/open"] == {"GET"}


@pytest.mark.parametrize(
    ("token", "status", "retry_after"), [("busy", 429, "7"), ("down", 503, "2")]
)
def test_a_limited_caller_learns_how_long_to_wait(
    app: Chalice, token: str, status: int, retry_after: str
) -> None:
    found, headers, body = call(app, "GET /admin", token=token)

    assert (found, headers["retry-after"]) == (status, retry_after)
    assert body["retry_after"] == int(retry_after)


def test_the_answer_says_what_is_left(app: Chalice) -> None:
    for route, name in (("GET /admin", "default"), ("GET /chats/{chat_id}", "default")):
        _, headers, _ = call(app, route, chat_id=CHAT, query={"limit": ["1"]})
        assert headers["ratelimit-policy"] == f'"{name}";q=5;w=35'
        assert headers["ratelimit"] == f'"{name}";r=5'


def test_a_limited_caller_is_also_told_what_is_left(app: Chalice) -> None:
    _, headers, _ = call(app, "GET /admin", token="busy")

    assert headers["ratelimit-policy"] == '"busy";q=5;w=35'
    assert headers["ratelimit"] == '"busy";r=0;t=7'


def test_a_route_without_a_session_counts_by_address_unless_it_says_otherwise(
    app: Chalice,
) -> None:
    _, headers, _ = call(app, "GET /open", token=None)

    assert headers["ratelimit"] == '"anonymous-address";r=299;t=1'
    assert vars(deps)["throttle"].uses == [Use(limit="anonymous", address="10.0.0.1")]
    _, headers, _ = call(app, "GET /memory", token=None)
    assert "ratelimit" not in headers
    assert len(vars(deps)["throttle"].uses) == 1


def test_a_class_of_limits_must_exist() -> None:
    def view() -> None: ...

    with pytest.raises(TypeError, match="no class of limits called sent"):
        rest.endpoint(Blueprint(__name__), "GET /x", limit="sent")(view)


def test_an_id_of_another_shape_is_not_found(app: Chalice, called: list[Any]) -> None:
    for chat_id in ["1", CHAT.upper() + "x", "' OR 1=1", CHAT[:-1] + "g"]:
        assert call(app, "POST /chats/{chat_id}", chat_id=chat_id, body=HELLO)[0] == 404
    assert called == []


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        ("{", "application/json", 400, "bad_request"),
        ("", "application/json", 400, "bad_request"),
        (None, "application/json", 400, "bad_request"),
        ("[]", "application/json", 422, "validation_failed"),
        (HELLO, "text/plain", 415, "unsupported_media_type"),
        (HELLO + " " * MAX_BODY, "application/json", 413, "too_large"),
    ],
)
def test_g7_a_bad_body_is_a_problem(
    app: Chalice, called: list[Any], body: str, content_type: str, status: int, code: str
) -> None:
    headers = {"content-type": content_type}
    found, answered, problem = call(
        app, "POST /chats/{chat_id}", chat_id=CHAT, body=body, headers=headers
    )

    assert (found, problem["code"], problem["status"]) == (status, code, status)
    assert answered["content-type"] == "application/problem+json"
    assert called == []


@pytest.mark.parametrize(
    "kind",
    [
        "",
        " ",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain; application/json",
        "application/json, text/plain",
        "application/jsonp",
    ],
)
def test_a_body_says_that_it_is_json(app: Chalice, called: list[Any], kind: str) -> None:
    """Else a page of another site could have it sent, without a preflight of the browser."""
    headers = {"content-type": kind}
    status, _, body = call(app, "POST /chats/{chat_id}", chat_id=CHAT, body=HELLO, headers=headers)

    assert (status, body["code"], called) == (415, "unsupported_media_type", [])


def test_a_request_without_a_body_needs_no_content_type(app: Chalice) -> None:
    found, _, problem = call(app, "POST /chats/{chat_id}", chat_id=CHAT)

    assert (found, problem["code"]) == (400, "bad_request")


def test_a_charset_does_not_change_the_media_type(app: Chalice) -> None:
    headers = {"content-type": "Application/JSON; charset=utf-8"}

    assert call(app, "POST /chats/{chat_id}", chat_id=CHAT, body=HELLO, headers=headers)[0] == 201


def test_a_query_is_read_from_strings(app: Chalice) -> None:
    query = {"limit": ["7"], "before": ["12"]}

    assert call(app, "GET /chats/{chat_id}", chat_id=CHAT, query=query)[2] == {
        "limit": 7,
        "before": 12,
    }


@pytest.mark.parametrize(
    "query", [{"limit": ["0"]}, {"limit": ["201"]}, {"limit": ["x"]}, {"before": ["-1"]},
              {"page": ["2"]}, {"before": [str(2**60)]}],
)  # fmt: skip
def test_g7_a_bad_query_names_the_field(app: Chalice, query: dict[str, list[str]]) -> None:
    status, _, body = call(app, "GET /chats/{chat_id}", chat_id=CHAT, query=query)

    assert status == 422
    assert [error["field"] for error in body["errors"]] == list(query)


def test_the_source_is_the_one_that_the_gateway_saw(app: Chalice) -> None:
    status, _, body = call(app, "GET /open", token=None)

    assert (status, body) == (202, {"address": "10.0.0.1", "agent": "pytest"})


def test_no_header_repeats_a_header_of_the_request(app: Chalice) -> None:
    evil = "x\r\nSet-Cookie: a=b"
    names = ("x-request-id", "origin", "content-type", "user-agent", "x-forwarded-host", "host")
    _, headers, _ = call(app, "GET /admin", headers=dict.fromkeys(names, evil))

    assert headers["x-request-id"] == "r1"
    assert not [value for value in headers.values() if "a=b" in value]


def test_a_bug_is_answered_without_its_message(
    app: Chalice, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, body = call(app, "GET /broken")

    assert (status, body["code"]) == (500, "internal")
    assert "hunter2" not in json.dumps(body)
    assert "hunter2" not in capsys.readouterr().out


def test_an_identity_needs_a_scope_and_a_scope_an_identity() -> None:
    def view() -> None: ...

    with pytest.raises(TypeError, match="if, and only if"):
        rest.endpoint(Blueprint(__name__), "GET /x", scope="chats.read")(view)


class TestForms:
    SENT: ClassVar = {"content-type": FORM, "cookie": "a=1; b=2=; a=3"}

    def test_a_view_gets_all_values_and_chooses_its_answer(
        self, app: Chalice, called: list[Any]
    ) -> None:
        event = {
            "multiValueQueryStringParameters": {"q": ["1", "2"]},
            "headers": self.SENT,
            "pathParameters": None,
            "requestContext": {"httpMethod": "POST", "resourcePath": "/form", "identity": {}},
            "body": "x=%C3%A4+b&x=&y=%26",
            "stageVariables": None,
        }

        answer = app(event, None)

        (sent,) = called
        assert sent.query == {"q": ["1", "2"]}
        assert sent.form == {"x": ["ä b", ""], "y": ["&"]}
        assert sent.cookies == {"a": "1", "b": "2="}
        assert (answer["statusCode"], answer["body"]) == (303, "ok")
        assert answer["headers"]["Location"] == "/x"
        assert answer["multiValueHeaders"]["Set-Cookie"] == ["a=1", "b=2"]
        assert "Access-Control-Allow-Origin" not in answer["headers"]

    @pytest.mark.parametrize(
        ("body", "kind", "status"),
        [
            ("{}", "application/json", 415),
            ("x=%ff", FORM, 400),
            ("ä=1", FORM, 422),
            ("&".join(["x=1"] * 51), FORM, 422),
            ("x=" + "y" * 70_000, FORM, 413),
        ],
    )
    def test_a_body_that_is_no_form_is_refused(
        self, app: Chalice, called: list[Any], body: str, kind: str, status: int
    ) -> None:
        found, _, _ = call(app, "POST /form", body=body, headers={"content-type": kind})

        assert (found, called) == (status, [])

    def test_a_page_tells_people_what_went_wrong(self, app: Chalice) -> None:
        status, answered, body = call(app, "GET /page")

        assert status == 503
        assert body == f'{{"told": "{Unavailable("redis")}"}}'
        assert answered["content-type"] == "text/html"
        assert int(answered["retry-after"]) > 0

    @pytest.mark.parametrize(
        ("kind", "status", "error"),
        [(FORM, 503, "x_unavailable"), ("", 415, "x_unsupported_media_type")],
    )
    def test_a_protocol_gets_errors_in_its_own_form(
        self, app: Chalice, kind: str, status: int, error: str
    ) -> None:
        found, answered, body = call(app, "POST /told", body="x=1", headers={"content-type": kind})

        assert (found, body["error"], f"x_{body['code']}") == (status, error, error)
        assert answered["content-type"] == "application/json"
