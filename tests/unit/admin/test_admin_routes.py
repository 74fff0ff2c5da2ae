"""Administration over HTTP."""

from typing import Any

import pytest
from chalice import Chalice

from chalicelib.ids import new_id
from tests.unit.conftest import PASSWORD, World, call

USERS = "/v1/admin/users"
USER = f"{USERS}/{{user_id}}"
ROLE = f"{USER}/roles/{{role}}"


def test_an_admin_does_all_of_it(app: Chalice, world: World) -> None:
    admin, ana = world.staff("admin"), world.register()
    of_ana: dict[str, Any] = {"by": admin, "user_id": ana.user.id}

    done = [
        call(app, f"POST {USER}/suspend", {"reason": "Spam"}, **of_ana),
        call(app, f"POST {USER}/restore", **of_ana),
        call(app, f"DELETE {USER}/sessions", **of_ana),
        call(app, f"PUT {ROLE}", role="moderator", **of_ana),
        call(app, f"DELETE {ROLE}", role="moderator", **of_ana),
    ]

    assert done == [(204, None)] * 5
    status, seen = call(app, f"GET {USER}", **of_ana)
    assert (status, seen["username"], seen["roles"], seen["sessions"]) == (200, "ana", [], 0)
    status, log = call(app, "GET /v1/admin/audit", by=admin, query={"target": [ana.user.id]})
    assert status == 200
    assert [one["action"] for one in log["items"]] == [
        "moderator.take",
        "moderator.grant",
        "sessions.revoke",
        "user.restore",
        "user.suspend",
    ]
    assert {one["address"] for one in log["items"]} == {"10.0.0.1"}


def test_a_suspended_user_gets_an_error_code_of_its_own(app: Chalice, world: World) -> None:
    mod, ana = world.staff("moderator"), world.register()
    call(app, f"POST {USER}/suspend", {"reason": "Spam"}, by=mod, user_id=ana.user.id)

    status, answer = call(app, "POST /v1/auth/login", {"login": "ana", "password": PASSWORD})
    assert (status, answer["code"]) == (403, "account_suspended")
    status, answer = call(app, "POST /v1/auth/login", {"login": "ana", "password": "x"})
    assert (status, answer["code"]) == (401, "invalid_credentials")


@pytest.mark.parametrize("query", [{"username": ["an"]}, {"email": ["ANA@example.org"]}])
def test_users_are_found(app: Chalice, world: World, query: Any) -> None:
    mod, ana = world.staff("moderator"), world.register()

    status, answer = call(app, f"GET {USERS}", by=mod, query=query)

    assert status == 200
    assert [one["id"] for one in answer["items"]] == [ana.user.id]
    assert answer["next"] is None


@pytest.mark.parametrize(
    ("route", "query", "field"),
    [
        (f"GET {USERS}", {"username": ["a%"]}, "username"),
        (f"GET {USERS}", {"email": ["ana"]}, "email"),
        (f"GET {USERS}", {"limit": ["201"]}, "limit"),
        (f"GET {USERS}", {"cursor": ["a b"]}, "cursor"),
        ("GET /v1/admin/audit", {"actor": ["ana"]}, "actor"),
        ("GET /v1/admin/audit", {"actor": [new_id() + "operator"]}, "actor"),
        ("GET /v1/admin/audit", {"action": ["user.praise"]}, "action"),
        ("GET /v1/admin/audit", {"cursor": ["0"]}, "cursor"),
        ("GET /v1/admin/audit", {"cursor": [str(2**63)]}, "cursor"),
    ],
)
def test_g7_a_bad_query_is_answered(
    app: Chalice, world: World, route: str, query: Any, field: str
) -> None:
    status, answer = call(app, route, by=world.staff("admin"), query=query)

    assert (status, answer["code"]) == (422, "validation_failed")
    assert [one["field"] for one in answer["errors"]] == [field]


@pytest.mark.parametrize("reason", [None, "", "x" * 201, "a\u0000b", 1])
def test_g7_a_suspension_needs_a_reason(app: Chalice, world: World, reason: Any) -> None:
    mod, ana = world.staff("moderator"), world.register()

    status, answer = call(
        app, f"POST {USER}/suspend", {"reason": reason}, by=mod, user_id=ana.user.id
    )

    assert (status, answer["code"]) == (422, "validation_failed")
    assert world.stands(ana)


@pytest.mark.parametrize("role", ["user", "owner", "ADMIN"])
def test_unknown_roles_are_not_found(app: Chalice, world: World, role: str) -> None:
    admin, ana = world.staff("admin"), world.register()

    for method in ("PUT", "DELETE"):
        status, answer = call(app, f"{method} {ROLE}", by=admin, user_id=ana.user.id, role=role)
        assert (status, answer["code"]) == (404, "not_found")
