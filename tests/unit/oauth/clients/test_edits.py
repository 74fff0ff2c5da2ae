"""Programs that admins change, and what they may do afterwards."""

from typing import Any

import pytest

from chalicelib.auth.sessions.models import SignedIn
from chalicelib.errors import Forbidden, NoSecret, NotFound, ValidationFailed
from chalicelib.identity import Identity
from chalicelib.ids import new_id
from chalicelib.oauth.authorize.answers import NoWayBack
from chalicelib.oauth.clients.registration import (
    ClientChanges,
)
from tests.unit.auth.fakes import PHONE
from tests.unit.oauth.clients.conftest import change, info, refresh, rotate, works
from tests.unit.oauth.conftest import BACK, Provider

OTHER = "https://other.example/back"


class TestChanges:
    def test_only_the_fields_that_were_sent_change(
        self, provider: Provider, admin: Identity
    ) -> None:
        program = provider.program()
        changed = change(provider, admin, program.client_id, name="Chess")

        before = info(provider, program).model_dump()
        assert changed.name == "Chess"
        assert changed.model_dump() == before
        assert before == {**program.model_dump(exclude={"client_secret"}), "name": "Chess"}

    def test_everything_but_confidential_can_change(
        self, provider: Provider, admin: Identity
    ) -> None:
        program = provider.program()
        wanted = {
            "name": "Chess",
            "redirect_uris": [OTHER, "http://127.0.0.1/back"],
            "post_logout_redirect_uris": [OTHER],
            "scopes": ["openid", "email"],
            "require_pkce": False,
            "claims_in_id_token": True,
        }
        changed = change(provider, admin, program.client_id, **wanted)

        assert changed.model_dump(include=set(wanted)) == wanted
        assert works(provider, program)

    @pytest.mark.parametrize(
        "changes",
        [
            {"redirect_uris": []},
            {"scopes": ["push.send"]},
            {"require_pkce": False, "scopes": ["chats.read"]},
        ],
        ids=["no-way-back", "no-user-scopes", "no-openid"],
    )
    def test_a_result_that_does_not_fit_together_is_refused(
        self, provider: Provider, admin: Identity, changes: dict[str, Any]
    ) -> None:
        program = provider.program()
        with pytest.raises(ValidationFailed):
            change(provider, admin, program.client_id, **changes)

        assert info(provider, program).scopes == program.scopes

    def test_a_public_program_stays_public(self, provider: Provider, admin: Identity) -> None:
        program = provider.program(confidential=False)
        for changes in ({"scopes": ["openid", "push.send"]}, {"require_pkce": False}):
            with pytest.raises(ValidationFailed):
                change(provider, admin, program.client_id, **changes)
        with pytest.raises(NoSecret):
            rotate(provider, admin, program)

    @pytest.mark.parametrize(
        "sent",
        [
            {"confidential": False},
            {"client_secret": "mine"},
            {"name": None},
            {"name": ""},
            {"scopes": []},
            {"scopes": ["account"]},
            {"redirect_uris": ["javascript:alert(1)"]},
            {"redirect_uris": [BACK] * 21},
            {"require_pkce": "no"},
        ],
        ids=lambda sent: next(iter(sent)),
    )
    def test_invalid_changes_are_refused(self, sent: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="validation error"):
            ClientChanges.model_validate(sent)

    def test_only_admins_change_programs_and_only_existing_ones(
        self, provider: Provider, admin: Identity, ana: SignedIn
    ) -> None:
        program, user = provider.program(), provider.world.identity(ana)
        for act in (provider.clients.rotate_secret, provider.clients.end_former_secret):
            with pytest.raises(Forbidden):
                act(user, PHONE, program.client_id)
            with pytest.raises(NotFound):
                act(admin, PHONE, new_id())
        with pytest.raises(Forbidden):
            change(provider, user, program.client_id, name="Mine")
        with pytest.raises(NotFound):
            change(provider, admin, new_id(), name="Nobody's")
        provider.clients.delete(admin, PHONE, program.client_id)
        with pytest.raises(NotFound):
            change(provider, admin, program.client_id, name="Back")
        with pytest.raises(NotFound):
            rotate(provider, admin, program)

    def test_each_change_is_in_the_audit_log(self, provider: Provider, admin: Identity) -> None:
        program = provider.program()
        change(provider, admin, program.client_id, name="Chess")
        rotate(provider, admin, program)
        provider.clients.end_former_secret(admin, PHONE, program.client_id)

        log = [one for one in provider.world.tables.audit if one.target == program.client_id]
        assert [one.action for one in log] == [
            "client.register",
            "client.update",
            "client.secret",
            "client.secret_end",
        ]
        assert {one.actor for one in log[1:]} == {admin.user_id}
        assert {one.address for one in log[1:]} == {PHONE.address}


class TestNarrowing:
    def test_a_refresh_gives_no_scope_that_the_program_has_lost(
        self, provider: Provider, admin: Identity, ana: SignedIn
    ) -> None:
        program = provider.program()
        granted = provider.granted(program, ana)
        assert granted["scope"].split() == ["chats.read", "openid"]
        change(provider, admin, program.client_id, scopes=["openid"])

        fresh = refresh(provider, program, granted["refresh_token"])
        assert fresh.body["scope"] == "openid"
        asked = refresh(provider, program, fresh.body["refresh_token"], scope="openid chats.read")
        assert asked.body["scope"] == "openid"

    def test_a_scope_that_is_registered_again_needs_no_new_consent(
        self, provider: Provider, admin: Identity, ana: SignedIn
    ) -> None:
        """The user allowed it before."""
        program = provider.program()
        token = provider.granted(program, ana)["refresh_token"]
        change(provider, admin, program.client_id, scopes=["openid"])
        token = refresh(provider, program, token).body["refresh_token"]
        change(provider, admin, program.client_id, scopes=["openid", "chats.read"])

        assert "chats.read" in refresh(provider, program, token).body["scope"]

    def test_existing_sessions_do_not_get_new_scopes(
        self, provider: Provider, admin: Identity, ana: SignedIn
    ) -> None:
        program = provider.program()
        token = provider.granted(program, ana)["refresh_token"]
        change(provider, admin, program.client_id, scopes=["openid", "chats.read", "chats.write"])

        assert "chats.write" not in refresh(provider, program, token).body["scope"]

    def test_a_session_that_lost_all_its_scopes_cannot_be_refreshed(
        self, provider: Provider, admin: Identity, ana: SignedIn
    ) -> None:
        program = provider.program()
        token = provider.granted(program, ana, scope="chats.read")["refresh_token"]
        change(provider, admin, program.client_id, scopes=["openid"])

        assert refresh(provider, program, token).error == "invalid_scope"

    def test_users_are_not_sent_to_an_address_that_was_removed(
        self, provider: Provider, admin: Identity
    ) -> None:
        program = provider.program()
        assert provider.ask(program, {}).status == 200
        change(provider, admin, program.client_id, redirect_uris=[OTHER])

        with pytest.raises(NoWayBack):
            provider.ask(program, {})
        assert provider.ask(program, {}, redirect_uri=OTHER).status == 200
