"""Programs that admins change: what they may do, their secrets, and when they were last used."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.auth.sessions.models import SignedIn
from chalicelib.errors import Forbidden, NoSecret, NotFound, ValidationFailed
from chalicelib.identity import Identity
from chalicelib.ids import new_id
from chalicelib.oauth.authorize.answers import NoWayBack
from chalicelib.oauth.clients.models import OAuthClient
from chalicelib.oauth.clients.registration import (
    ClientChanges,
    ClientInfo,
    ClientQuery,
    RegisteredClient,
)
from chalicelib.oauth.clients.service import BOTH_GOOD
from chalicelib.wire import now
from tests.unit.auth.fakes import PHONE
from tests.unit.oauth.conftest import BACK, Provider

OTHER = "https://other.example/back"


@pytest.fixture
def admin(provider: Provider) -> Identity:
    return provider.world.identity(provider.world.staff("admin"))


@pytest.fixture
def ana(provider: Provider) -> SignedIn:
    return provider.world.register()


def change(provider: Provider, admin: Identity, client_id: str, **changes: Any) -> ClientInfo:
    given = ClientChanges.model_validate(changes)
    return provider.clients.update(admin, PHONE, client_id, given)


def rotate(provider: Provider, admin: Identity, program: RegisteredClient) -> RegisteredClient:
    return provider.clients.rotate_secret(admin, PHONE, program.client_id)


def refresh(provider: Provider, program: RegisteredClient, token: str, **more: str) -> Any:
    form = {"grant_type": "refresh_token", "refresh_token": token, **more}
    return provider.post("token", program, PHONE, **form)


def works(provider: Provider, program: RegisteredClient, secret: str | None = None) -> bool:
    """Whether a secret of a program is valid."""
    shown = {"client_secret": secret} if secret else {}
    outcome = provider.post("introspect", program, PHONE, token="x", **shown)
    return outcome.error is None


def info(provider: Provider, program: RegisteredClient) -> ClientInfo:
    items = provider.clients.list(ClientQuery()).items
    return next(one for one in items if one.client_id == program.client_id)


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


class TestSecrets:
    def test_both_are_valid_for_a_while(self, provider: Provider, admin: Identity) -> None:
        program = provider.program()
        assert works(provider, program)
        rotated = rotate(provider, admin, program)

        assert rotated.client_secret != program.client_secret
        assert works(provider, program, rotated.client_secret)
        assert works(provider, program, program.client_secret)
        assert rotated.former_secret_until is not None

        provider.world.clock.go(days=8)
        assert works(provider, program, rotated.client_secret)
        assert not works(provider, program, program.client_secret)
        assert info(provider, program).former_secret_until is None

    def test_an_admin_can_end_the_former_at_once(self, provider: Provider, admin: Identity) -> None:
        program = provider.program()
        rotated = rotate(provider, admin, program)
        for _ in range(2):
            provider.clients.end_former_secret(admin, PHONE, program.client_id)

        assert works(provider, program, rotated.client_secret)
        assert not works(provider, program, program.client_secret)

    def test_there_are_at_most_two(self, provider: Provider, admin: Identity) -> None:
        program = provider.program()
        assert works(provider, program)
        second = rotate(provider, admin, program)
        assert works(provider, program, second.client_secret)
        third = rotate(provider, admin, program)

        good = [works(provider, program, one.client_secret) for one in (program, second, third)]
        assert good == [False, True, True]

    def test_a_rotation_whose_answer_was_lost_can_be_repeated(
        self, provider: Provider, admin: Identity
    ) -> None:
        program = provider.program()
        assert works(provider, program)
        first = rotate(provider, admin, program)
        lost = [rotate(provider, admin, program) for _ in range(2)]
        last = rotate(provider, admin, program)

        assert works(provider, program, program.client_secret)
        assert works(provider, program, last.client_secret)
        assert not any(works(provider, program, one.client_secret) for one in lost)
        assert last.former_secret_until == first.former_secret_until

    def test_a_secret_is_never_shown_again_or_stored_in_plain_text(
        self, provider: Provider, admin: Identity
    ) -> None:
        program = provider.program()
        rotated = rotate(provider, admin, program)

        for secret in (program.client_secret, rotated.client_secret):
            assert secret
            assert secret not in str(provider.store.known)
            assert secret not in repr(rotated)
            assert secret not in str(provider.clients.list(ClientQuery()))

    def test_no_secret_of_a_deleted_program_is_valid(
        self, provider: Provider, admin: Identity
    ) -> None:
        program = provider.program()
        rotated = rotate(provider, admin, program)
        provider.clients.delete(admin, PHONE, program.client_id)

        assert not works(provider, program, program.client_secret)
        assert not works(provider, program, rotated.client_secret)

    @pytest.mark.parametrize("secret", ["", "x", "\udcff"], ids=["empty", "wrong", "surrogate"])
    def test_no_other_text_is_valid(self, provider: Provider, admin: Identity, secret: str) -> None:
        program = provider.program()
        client = provider.store.known[program.client_id]
        assert not client.knows(secret)
        assert not replace(client, former_digest=None).knows(secret)


class TestLastUse:
    def test_is_noted_for_each_secret(self, provider: Provider, admin: Identity) -> None:
        program = provider.program()
        assert info(provider, program).last_used_at is None
        assert works(provider, program)
        assert info(provider, program).last_used_at is not None
        rotate(provider, admin, program)
        before = info(provider, program).former_secret_used_at
        assert before is not None

        provider.world.clock.go(hours=2)
        assert works(provider, program, program.client_secret)

        after = info(provider, program).former_secret_used_at
        assert after is not None
        assert after > before
        assert info(provider, program).last_used_at == after

    def test_is_noted_for_public_programs(self, provider: Provider, ana: SignedIn) -> None:
        program = provider.program(confidential=False)
        provider.granted(program, ana)

        assert info(provider, program).last_used_at is not None

    def test_costs_one_write_an_hour(self, provider: Provider, ana: SignedIn) -> None:
        program = provider.program()
        token = provider.granted(program, ana)["refresh_token"]
        for _ in range(5):
            token = refresh(provider, program, token).body["refresh_token"]
            assert works(provider, program)

        assert provider.store.writes == 1

    def test_a_wrong_secret_or_token_is_not_a_use(self, provider: Provider) -> None:
        program = provider.program()
        assert not works(provider, program, "wrong")
        assert refresh(provider, program, "wrong").error == "invalid_grant"

        assert info(provider, program).last_used_at is None

    def test_an_outage_refuses_no_program(self, provider: Provider) -> None:
        program = provider.program()
        provider.store.down = True

        assert works(provider, program)

    def test_a_recent_use_needs_no_server(self) -> None:
        hour, time = timedelta(hours=1), now()
        client = OAuthClient(
            id=new_id(),
            name="Board",
            secret_digest=b"new",
            redirect_uris=[],
            post_logout_redirect_uris=[],
            scopes=["push.send"],
            created_at=time,
            former_digest=b"old",
            used_at=time - hour / 2,
            former_used_at=time - 2 * hour,
        )

        assert client.used_within(hour, b"new")
        assert not client.used_within(hour, b"old")
        assert not replace(client, used_at=None).used_within(hour, b"new")


def test_the_former_secret_is_valid_for_a_week() -> None:
    assert timedelta(days=7) == BOTH_GOOD
