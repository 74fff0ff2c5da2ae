"""Profiles and push tokens over HTTP."""

from typing import Any

import pytest
from chalice import Chalice

from chalicelib.ids import new_id
from tests.unit.conftest import ME, PASSWORD, World, call

PUSH = f"{ME}/push-tokens/{{device_id}}"


class TestUsers:
    def test_users_see_and_change_their_own_profile(self, app: Chalice, world: World) -> None:
        ana = world.register()

        status, answer = call(app, f"PATCH {ME}", {"about": "hi", "push_previews": False}, by=ana)

        assert (status, answer["about"], answer["push_previews"]) == (200, "hi", False)
        assert call(app, f"GET {ME}", by=ana) == (200, answer)
        assert call(app, f"PATCH {ME}", {}, by=ana) == (200, answer)

    def test_others_see_no_address(self, app: Chalice, world: World) -> None:
        ana, bo = world.register("ana"), world.register("bo_")
        seen = {
            "id": ana.user.id,
            "username": "ana",
            "display_name": "Ana",
            "about": "",
            "avatar_url": None,
            "deleted": False,
        }

        assert call(app, "GET /v1/users/{user_id}", by=bo, user_id=ana.user.id) == (200, seen)
        assert call(app, "GET /v1/users", by=bo, query={"username": ["ANA"]}) == (200, seen)

    def test_others_are_found_by_their_ids_in_one_question(
        self, app: Chalice, world: World
    ) -> None:
        ana, bo, cy = (world.register(name) for name in ("ana", "bo_", "cy_"))
        asked = [bo.user.id, new_id(), ana.user.id, bo.user.id]

        status, answer = call(app, "GET /v1/users", by=cy, query={"ids": [",".join(asked)]})

        assert status == 200
        assert [one["username"] for one in answer["items"]] == ["bo_", "ana"]
        assert set(answer["items"][0]) == {
            "id",
            "username",
            "display_name",
            "about",
            "avatar_url",
            "deleted",
        }

    @pytest.mark.parametrize(
        "query",
        [
            {"ids": [""]},
            {"ids": [","]},
            {"ids": ["ana"]},
            {"ids": [new_id() + ","]},
            {"ids": [f"{new_id()}, {new_id()}"]},
            {"ids": [",".join(new_id() for _ in range(101))]},
            {"ids": [new_id()], "username": ["ana"]},
        ],
        ids=[
            "nothing",
            "a comma",
            "no id",
            "a comma too many",
            "a space",
            "too many",
            "a name as well",
        ],
    )
    def test_a_hundred_ids_at_most_and_nothing_else(
        self, app: Chalice, world: World, query: Any
    ) -> None:
        hundred = {"ids": [",".join(new_id().upper() for _ in range(100))]}
        by = world.register()

        assert call(app, "GET /v1/users", by=by, query=hundred) == (200, {"items": []})
        status, answer = call(app, "GET /v1/users", by=by, query=query)
        assert (status, answer["code"]) == (422, "validation_failed")

    def test_unknown_users_are_not_found(self, app: Chalice, world: World) -> None:
        bo = world.register("bo_")
        answers = [
            call(app, "GET /v1/users/{user_id}", by=bo, user_id=new_id()),
            call(app, "GET /v1/users", by=bo, query={"username": ["ana"]}),
        ]

        assert [(status, answer["code"]) for status, answer in answers] == [
            (404, "user_not_found")
        ] * 2

    @pytest.mark.parametrize("query", [None, {"username": ["a b"]}, {"email": ["b@example.org"]}])
    def test_users_cannot_be_listed_or_searched_otherwise(
        self, app: Chalice, world: World, query: Any
    ) -> None:
        status, answer = call(app, "GET /v1/users", by=world.register(), query=query)

        assert (status, answer["code"]) == (422, "validation_failed")

    @pytest.mark.parametrize(
        "body",
        [
            {"display_name": None},
            {"email": "b@example.org"},
            {"about": "x" * 141},
            {"avatar_url": "http://example.org/a"},
            {"avatar_url": "https://example.org/a.png"},
            {"push_previews": "no"},
            {"id": "1"},
        ],
        ids=str,
    )
    def test_bad_changes_are_answered_by_field_and_change_nothing(
        self, app: Chalice, world: World, body: dict[str, Any]
    ) -> None:
        ana = world.register()

        status, answer = call(app, f"PATCH {ME}", {"display_name": "Bo", **body}, by=ana)

        assert (status, answer["code"]) == (422, "validation_failed")
        assert [error["field"] for error in answer["errors"]] == list(body)
        assert world.users.me(ana.user.id) == ana.user

    @pytest.mark.parametrize(
        "name", ["Deleted user", "deleted  u\u0455er", "Parley", "Parley Support"]
    )
    def test_reserved_names_are_refused(self, app: Chalice, world: World, name: str) -> None:
        ana = world.register()

        status, answer = call(app, f"PATCH {ME}", {"display_name": name, "about": "x"}, by=ana)

        assert (status, answer["errors"][0]["field"]) == (422, "display_name")
        assert world.users.me(ana.user.id) == ana.user

    def test_a_deleted_account_is_shown_without_its_name(self, app: Chalice, world: World) -> None:
        ana, bo = world.register("ana"), world.register("bo_")

        assert call(app, f"POST {ME}/delete", {"password": "wrong"}, by=ana)[0] == 401
        assert call(app, f"POST {ME}/delete", {"password": PASSWORD}, by=ana) == (204, None)

        assert call(app, f"GET {ME}", by=ana)[0] == 401
        _, shown = call(app, "GET /v1/users/{user_id}", by=bo, user_id=ana.user.id)
        assert (shown["deleted"], shown["display_name"]) == (True, "Deleted user")
        assert call(app, "POST /v1/auth/login", {"login": "ana", "password": PASSWORD})[0] == 401


class TestPushTokens:
    def test_are_set_and_dropped(self, app: Chalice, world: World) -> None:
        ana = world.register()
        body = {"token": "t1", "platform": "web"}

        for _ in range(2):
            assert call(app, f"PUT {PUSH}", body, by=ana, device_id="d1") == (204, None)
        assert list(world.tables.pushes) == [(ana.user.id, "d1")]
        for _ in range(2):
            assert call(app, f"DELETE {PUSH}", by=ana, device_id="d1") == (204, None)
        assert not world.tables.pushes

    def test_end_with_the_session_that_set_them(self, app: Chalice, world: World) -> None:
        ana = world.register()
        call(app, f"PUT {PUSH}", {"token": "t1", "platform": "ios"}, by=ana, device_id="d1")

        call(app, "POST /v1/auth/logout", by=ana)

        assert not world.tables.pushes

    @pytest.mark.parametrize("device_id", ["a b", "x" * 65, "é"])
    def test_devices_cannot_be_called_anything(
        self, app: Chalice, world: World, device_id: str
    ) -> None:
        body = {"token": "t1", "platform": "ios"}
        status, _ = call(app, f"PUT {PUSH}", body, by=world.register(), device_id=device_id)

        assert status == 404
        assert not world.tables.pushes

    def test_bad_ones_are_answered_by_field(self, app: Chalice, world: World) -> None:
        body = {"token": "a b", "platform": "watch"}
        status, answer = call(app, f"PUT {PUSH}", body, by=world.register(), device_id="d1")

        assert status == 422
        assert [error["field"] for error in answer["errors"]] == ["token", "platform"]
