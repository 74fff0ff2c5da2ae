"""Accounts and users over HTTP: who may call, the answers, and those to bad input."""

import json
import re
from typing import Any

import pytest
from chalice import Chalice

from chalicelib.edge.endpoints import ENDPOINTS
from chalicelib.identity import Identity
from chalicelib.ids import new_id
from tests.unit.auth.fakes import auth_settings
from tests.unit.conftest import ME, PASSWORD, World, call, make_world, serve
from tests.unit.edge.test_rest import call as call_app
from tests.unit.settings import rates

REGISTER, LOGIN, REFRESH = (f"POST /v1/auth/{name}" for name in ("register", "login", "refresh"))
PUSH = f"{ME}/push-tokens/{{device_id}}"
UNKNOWN = "01a20000-0000-7000-8000-00000000000a"

CALLS: list[tuple[str, dict[str, Any], Any]] = [
    ("POST /v1/auth/logout", {}, None),
    (
        "POST /v1/auth/password",
        {},
        {"current_password": PASSWORD, "new_password": "battery staple"},
    ),
    ("POST /v1/auth/email/verify-request", {}, None),
    ("POST /v1/auth/email/verify", {}, {"token": "t"}),
    ("GET /v1/auth/second-factor", {}, None),
    ("POST /v1/auth/second-factor", {}, {"password": PASSWORD}),
    ("POST /v1/auth/second-factor/confirm", {}, {"code": "123456"}),
    ("POST /v1/auth/second-factor/recovery-codes", {}, {"password": PASSWORD}),
    ("POST /v1/auth/second-factor/disable", {}, {"password": PASSWORD}),
    ("GET /v1/auth/sessions", {}, None),
    ("DELETE /v1/auth/sessions/{session_id}", {"session_id": new_id()}, None),
    ("DELETE /v1/auth/sessions", {}, None),
    ("POST /v1/socket-tickets", {}, None),
    (f"GET {ME}", {}, None),
    (f"PATCH {ME}", {}, {"about": "hi"}),
    (f"POST {ME}/email", {}, {"email": "ana@example.net", "password": PASSWORD}),
    (f"POST {ME}/delete", {}, {"password": PASSWORD}),
    ("GET /v1/users/{user_id}", {"user_id": new_id()}, None),
    ("GET /v1/users", {}, None),
    (f"PUT {PUSH}", {"device_id": "d1"}, {"token": "t", "platform": "ios"}),
    (f"DELETE {PUSH}", {"device_id": "d1"}, None),
]
PROTECTED = pytest.mark.parametrize(
    ("route", "parameters", "body"), CALLS, ids=[c[0] for c in CALLS]
)
GOOD = {
    "email": "ana@example.org",
    "username": "ana",
    "password": PASSWORD,
    "display_name": "Ana",
}


def test_every_route_that_needs_a_session_is_in_the_table_above() -> None:
    auth = ("auth", "auth.sessions", "auth.recovery", "auth.second_factor")
    ours = {f"chalicelib.{one}.routes" for one in (*auth, "users")}
    declared = {
        f"{one.method} {one.path}"
        for one in ENDPOINTS
        if one.view.__module__ in ours and "identity" in one.hints
    }

    assert declared == {route for route, _, _ in CALLS}


@PROTECTED
def test_nobody_gets_in_without_a_token(
    app: Chalice, route: str, parameters: dict[str, Any], body: Any
) -> None:
    status, answer = call(app, route, body, **parameters)

    assert (status, answer["code"]) == (401, "unauthorized")


@PROTECTED
def test_nobody_gets_in_with_a_revoked_token(
    app: Chalice, world: World, route: str, parameters: dict[str, Any], body: Any
) -> None:
    ana = world.register()
    world.auth.logout(world.identity(ana))

    status, answer = call(app, route, body, by=ana, **parameters)

    assert (status, answer["code"]) == (401, "unauthorized")


@PROTECTED
def test_nobody_gets_in_with_a_token_without_scopes(
    app: Chalice, world: World, route: str, parameters: dict[str, Any], body: Any
) -> None:
    ana = world.register()
    bare = Identity(user_id=ana.user.id, session_id=ana.session_id, scopes=frozenset())
    weak = ana.model_copy(update={"access_token": world.auth._tokens().issue(bare)})

    status, answer = call(app, route, body, by=weak, **parameters)

    assert (status, answer["code"]) == (403, "forbidden")


class TestSigningIn:
    def test_registering_answers_all_that_a_client_needs(self, app: Chalice) -> None:
        status, answer = call(app, REGISTER, GOOD)

        assert status == 201
        assert set(answer) == {
            "user",
            "session_id",
            "access_token",
            "refresh_token",
            "token_type",
            "expires_in",
        }
        assert set(answer["user"]) == {
            "id",
            "username",
            "display_name",
            "about",
            "avatar_url",
            "email",
            "email_verified",
            "push_previews",
            "created_at",
            "pending_email",
        }
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", answer["user"]["created_at"])

    def test_logging_in_answers_alike(self, app: Chalice, world: World) -> None:
        ana = world.register()

        status, answer = call(app, LOGIN, {"login": "ANA", "password": PASSWORD})

        assert status == 200
        assert answer["user"] == json.loads(ana.user.model_dump_json())
        assert answer["session_id"] != ana.session_id

    def test_refreshing_answers_without_the_user(self, app: Chalice, world: World) -> None:
        ana = world.register()

        status, answer = call(app, REFRESH, {"refresh_token": ana.refresh_token})

        assert status == 200
        assert set(answer) == {
            "session_id",
            "access_token",
            "refresh_token",
            "token_type",
            "expires_in",
        }

    def test_a_taken_username_is_a_conflict(self, app: Chalice, world: World) -> None:
        world.register()

        status, answer = call(app, REGISTER, {**GOOD, "username": GOOD["username"].upper()})

        assert (status, answer["code"]) == (409, "username_taken")

    def test_wrong_credentials_are_answered_alike(self, app: Chalice, world: World) -> None:
        world.register()
        answers = [
            call(app, LOGIN, {"login": login, "password": "wrong"}) for login in ("ana", "nobody")
        ]

        assert answers[0] == answers[1]
        assert (answers[0][0], answers[0][1]["code"]) == (401, "invalid_credentials")

    def test_too_many_failures_say_when_to_come_back(self, monkeypatch: pytest.MonkeyPatch) -> None:
        app = serve(make_world(auth_settings(rate_limits=rates({"login.target": 1}))), monkeypatch)
        body = json.dumps({"login": "ana", "password": "wrong"})
        call_app(app, LOGIN, token=None, body=body)

        status, headers, answer = call_app(app, LOGIN, token=None, body=body)

        assert (status, answer["code"]) == (429, "rate_limited")
        assert headers["retry-after"] == str(answer["retry_after"]) == "900"

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"email": "ana"}, "email"),
            ({"username": "a b"}, "username"),
            ({"password": "short"}, "password"),
            ({"password": "password123"}, "password"),
            ({"password": 7}, "password"),
            ({"display_name": ""}, "display_name"),
            ({"display_name": None}, "display_name"),
            ({"admin": True}, "admin"),
        ],
        ids=str,
    )
    def test_g7_bad_registrations_are_answered_by_field(
        self, app: Chalice, world: World, changes: dict[str, Any], field: str
    ) -> None:
        status, answer = call(app, REGISTER, {**GOOD, **changes})

        assert (status, answer["code"]) == (422, "validation_failed")
        assert [error["field"] for error in answer["errors"]] == [field]
        assert not world.tables.users

    @pytest.mark.parametrize("route", [REGISTER, LOGIN, REFRESH])
    @pytest.mark.parametrize("body", ["", "{", "[]", "null", '{"login": "\\ud800"}'])
    def test_an_unreadable_body_is_answered(self, app: Chalice, route: str, body: str) -> None:
        status, _, answer = call_app(app, route, token=None, body=body)

        assert status in (400, 422)
        assert answer["code"] in ("bad_request", "validation_failed")

    def test_a_used_up_refresh_token_is_refused(self, app: Chalice, world: World) -> None:
        ana = world.register()
        second = world.refresh(ana.refresh_token)
        world.refresh(second.refresh_token)

        status, answer = call(app, REFRESH, {"refresh_token": ana.refresh_token})

        assert (status, answer["code"]) == (401, "unauthorized")
        assert ana.refresh_token not in json.dumps(answer)


class TestSessions:
    def test_users_see_and_end_their_sessions(self, app: Chalice, world: World) -> None:
        ana, tablet = world.register(), world.login()

        status, listed = call(app, "GET /v1/auth/sessions", by=ana)
        assert status == 200
        assert {one["id"] for one in listed["items"]} == {ana.session_id, tablet.session_id}
        assert set(listed) == {"items", "next"}

        ended = call(
            app, "DELETE /v1/auth/sessions/{session_id}", by=ana, session_id=tablet.session_id
        )
        assert ended == (204, None)
        assert not world.stands(tablet)

    @pytest.mark.parametrize("session_id", ["x", "", UNKNOWN, UNKNOWN.upper()])
    def test_unknown_ones_are_not_found(self, app: Chalice, world: World, session_id: str) -> None:
        status, answer = call(
            app, "DELETE /v1/auth/sessions/{session_id}", by=world.register(), session_id=session_id
        )

        assert (status, answer["code"]) == (404, "not_found")

    def test_sessions_of_others_are_not_found_by_id(self, app: Chalice, world: World) -> None:
        ana, bo = world.register("ana"), world.register("bo_")

        status, answer = call(
            app, "DELETE /v1/auth/sessions/{session_id}", by=bo, session_id=ana.session_id
        )

        assert (status, answer["code"]) == (404, "not_found")
        assert world.stands(ana)

    def test_logging_out_ends_this_one(self, app: Chalice, world: World) -> None:
        ana, tablet = world.register(), world.login()

        assert call(app, "POST /v1/auth/logout", by=ana) == (204, None)
        assert call(app, f"GET {ME}", by=ana)[0] == 401
        assert call(app, f"GET {ME}", by=tablet)[0] == 200

    def test_all_others_can_be_ended_at_once(self, app: Chalice, world: World) -> None:
        ana, tablet = world.register(), world.login()

        assert call(app, "DELETE /v1/auth/sessions", by=ana) == (204, None)
        assert call(app, f"GET {ME}", by=tablet)[0] == 401

    @pytest.mark.parametrize(
        "query", [{"limit": ["0"]}, {"limit": ["201"]}, {"cursor": ["x"]}, {"page": ["1"]}], ids=str
    )
    def test_pages_from_nowhere_are_refused(
        self, app: Chalice, world: World, query: dict[str, list[str]]
    ) -> None:
        status, answer = call(app, "GET /v1/auth/sessions", by=world.register(), query=query)

        assert (status, answer["code"]) == (422, "validation_failed")

    def test_a_changed_password_ends_the_others(self, app: Chalice, world: World) -> None:
        ana, tablet = world.register(), world.login()
        change = {"current_password": PASSWORD, "new_password": "battery staple"}

        assert call(app, "POST /v1/auth/password", change, by=ana) == (204, None)
        assert call(app, f"GET {ME}", by=tablet)[0] == 401
        assert call(app, "POST /v1/auth/password", change, by=tablet)[0] == 401


class TestTicketsAndKeys:
    def test_a_ticket_opens_a_socket_once(self, app: Chalice, world: World) -> None:
        ana = world.register()

        status, answer = call(app, "POST /v1/socket-tickets", by=ana)

        assert status == 201
        assert set(answer) == {"ticket", "url", "expires_in"}
        assert world.auth.redeem_ticket(answer["ticket"]).session_id == ana.session_id

    def test_keys_are_public_and_only_public(self, app: Chalice) -> None:
        status, answer = call(app, "GET /.well-known/jwks.json")

        assert status == 200
        assert [set(key) for key in answer["keys"]] == [
            {"kty", "crv", "alg", "use", "kid", "x", "y"},
            {"kty", "alg", "use", "kid", "n", "e"},
        ]
