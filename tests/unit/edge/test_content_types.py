"""Every route that takes JSON requires its Content-Type: other sites cannot send that."""

import re
from typing import Any

import pytest
from chalice.config import Config
from chalice.local import LocalGateway

import app as application
from chalicelib.deps import deps
from chalicelib.edge.endpoints import ENDPOINTS, Endpoint
from chalicelib.identity import Identity, Program
from chalicelib.limits.table import Quota, Use
from tests.unit.settings import settings

WITH_BODY = {f"{one.method} {one.path}": one for one in ENDPOINTS if "body" in one.hints}
SCOPES = frozenset(one.scope for one in ENDPOINTS if one.scope)
SOMEWHERE = "01a20000-0000-7000-8000-00000000000a"


class Everybody:
    """Lets everybody do everything."""

    def __init__(self, caller: Identity | Program) -> None:
        self.caller = caller

    def admit(self, authorization: str, use: Use) -> tuple[Identity | Program, list[Quota]]:
        return self.caller, []


@pytest.fixture(autouse=True)
def _open(monkeypatch: pytest.MonkeyPatch) -> None:
    identity = Identity(user_id=SOMEWHERE, session_id=SOMEWHERE, scopes=SCOPES)
    monkeypatch.setitem(vars(deps), "auth", Everybody(identity))
    monkeypatch.setitem(vars(deps), "programs", Everybody(Program(id=SOMEWHERE, scopes=SCOPES)))
    monkeypatch.setitem(vars(deps), "settings", settings())
    monkeypatch.setitem(vars(deps), "throttle", Uncounted())


class Uncounted:
    def anonymous(self, use: Use) -> list[Quota]:
        return []


def status(one: Endpoint, kind: str | None, body: str = "{}") -> int:
    event: dict[str, Any] = {
        "multiValueQueryStringParameters": None,
        "headers": {} if kind is None else {"content-type": kind},
        "pathParameters": dict.fromkeys(re.findall(r"{(\w+)}", one.path), SOMEWHERE),
        "requestContext": {
            "httpMethod": one.method,
            "resourcePath": one.path,
            "identity": {"sourceIp": "192.0.2.1"},
        },
        "body": body,
        "stageVariables": None,
    }
    found: int = application.app(event, None)["statusCode"]
    return found


def test_there_are_such_routes() -> None:
    assert len(WITH_BODY) > 20
    assert {"POST /v1/auth/login", "POST /v1/auth/register", "POST /v1/auth/password/reset"} <= (
        WITH_BODY.keys()
    )


@pytest.mark.parametrize("route", WITH_BODY)
@pytest.mark.parametrize(
    "kind", [None, "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_what_a_form_of_another_site_can_send_is_refused(route: str, kind: str | None) -> None:
    assert status(WITH_BODY[route], kind) == 415


@pytest.mark.parametrize("route", WITH_BODY)
def test_json_gets_through(route: str) -> None:
    kind = "application/json; charset=utf-8"

    assert status(WITH_BODY[route], kind, '{"no such field": 1}') == 422


@pytest.mark.parametrize(
    ("body", "kind", "found"),
    [
        ('{"login": "ä", "password": "ß"}'.encode("latin-1"), "application/json", 400),
        (b'{"login": "x"}', "application/json; charset=latin-1", 415),
        ('{"no such field": "ä"}'.encode(), "application/json; charset=utf8", 422),
    ],
    ids=["latin-1", "said", "utf-8"],
)
def test_chalice_local_hands_on_the_same_bytes(body: bytes, kind: str, found: int) -> None:
    gateway = LocalGateway(application.app, Config.create(lambda_timeout=29))
    headers = {"content-type": kind}

    answer = gateway.handle_request("POST", "/v1/auth/login", headers, body)

    assert answer["statusCode"] == found
