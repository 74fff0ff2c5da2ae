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
    """Whether a program is known by a secret."""
    shown = {"client_secret": secret} if secret else {}
    outcome = provider.post("introspect", program, PHONE, token="x", **shown)
    return outcome.error is None


def info(provider: Provider, program: RegisteredClient) -> ClientInfo:
    items = provider.clients.list(ClientQuery()).items
    return next(one for one in items if one.client_id == program.client_id)


class TestChanges:
    def test_only_what_is_sent_changes(self, provider: Provider, admin: Identity) -> None:
        program = provider.program()
        changed = change(provider, admin, program.client_id, name="Chess")

        before = info(provider, program).model_dump()
        assert changed.name == "Chess"
        assert changed.model_dump() == before
        assert before == {**program.model_dump(exclude={"client_secret"}), "name": "Chess"}

    def test_everything_but_its_kind_can_change(self, provider: Provider, admin: Identity) -> None:
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
    def test_what_does_not_go_together_is_refused(
        self, provider: Provider, admin: Identity, changes: dict[str, Any]
    ) -> None:
        program = provider.program()
        with pytest.raises(ValidationFailed):
            change(provider, admin, program.client_id, **changes)

        assert info(provider, program).scopes == program.scopes

    def test_a_public_one_stays_public(self, provider: Provider, admin: Identity) -> None:
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
    def test_nonsense_is_refused(self, sent: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="validation error"):
            ClientChanges.model_validate(sent)

    def test_admins_alone_change_programs_that_exist(
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

    def test_each_is_in_the_audit_log(self, provider: Provider, admin: Identity) -> None:
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
    def test_a_refresh_gives_no_scope_that_was_taken(
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

    def test_what_is_given_back_needs_no_new_consent(
        self, provider: Provider, admin: Identity, ana: SignedIn
    ) -> None:
        """The user agreed to it."""
        program = provider.program()
        token = provider.granted(program, ana)["refresh_token"]
        change(provider, admin, program.client_id, scopes=["openid"])
        token = refresh(provider, program, token).body["refresh_token"]
        change(provider, admin, program.client_id, scopes=["openid", "chats.read"])

        assert "chats.read" in refresh(provider, program, token).body["scope"]

    def test_new_scopes_are_not_in_old_grants(
        self, provider: Provider, admin: Identity, ana: SignedIn
    ) -> None:
        program = provider.program()
        token = provider.granted(program, ana)["refresh_token"]
        change(provider, admin, program.client_id, scopes=["openid", "chats.read", "chats.write"])

        assert "chats.write" not in refresh(provider, program, token).body["scope"]

    def test_nothing_is_left_for_a_grant_that_lost_all(
        self, provider: Provider, admin: Identity, ana: SignedIn
    ) -> None:
        program = provider.program()
        token = provider.granted(program, ana, scope="chats.read")["refresh_token"]
        change(provider, admin, program.client_id, scopes=["openid"])

        assert refresh(provider, program, token).error == "invalid_scope"

    def test_users_are_sent_to_no_address_that_was_taken(
        self, provider: Provider, admin: Identity
    ) -> None:
        program = provider.program()
        assert provider.ask(program, {}).status == 200
        change(provider, admin, program.client_id, redirect_uris=[OTHER])

        with pytest.raises(NoWayBack):
            provider.ask(program, {})
        assert provider.ask(program, {}, redirect_uri=OTHER).status == 200


class TestSecrets:
    def test_both_are_good_for_a_while(self, provider: Provider, admin: Identity) -> None:
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

    def test_there_are_two_at_most(self, provider: Provider, admin: Identity) -> None:
        program = provider.program()
        assert works(provider, program)
        second = rotate(provider, admin, program)
        assert works(provider, program, second.client_secret)
        third = rotate(provider, admin, program)

        good = [works(provider, program, one.client_secret) for one in (program, second, third)]
        assert good == [False, True, True]

    def test_a_rotation_whose_answer_was_lost_is_repeated_and_costs_nothing(
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

    def test_none_is_shown_again_or_kept_as_it_is(
        self, provider: Provider, admin: Identity
    ) -> None:
        program = provider.program()
        rotated = rotate(provider, admin, program)

        for secret in (program.client_secret, rotated.client_secret):
            assert secret
            assert secret not in str(provider.store.known)
            assert secret not in repr(rotated)
            assert secret not in str(provider.clients.list(ClientQuery()))

    def test_none_is_good_once_the_program_is_deleted(
        self, provider: Provider, admin: Identity
    ) -> None:
        program = provider.program()
        rotated = rotate(provider, admin, program)
        provider.clients.delete(admin, PHONE, program.client_id)

        assert not works(provider, program, program.client_secret)
        assert not works(provider, program, rotated.client_secret)

    @pytest.mark.parametrize("secret", ["", "x", "\udcff"], ids=["empty", "wrong", "surrogate"])
    def test_nothing_else_is_good(self, provider: Provider, admin: Identity, secret: str) -> None:
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

    def test_is_noted_for_public_ones(self, provider: Provider, ana: SignedIn) -> None:
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

    def test_nothing_wrong_is_a_use(self, provider: Provider) -> None:
        program = provider.program()
        assert not works(provider, program, "wrong")
        assert refresh(provider, program, "wrong").error == "invalid_grant"

        assert info(provider, program).last_used_at is None

    def test_an_outage_refuses_nobody(self, provider: Provider) -> None:
        program = provider.program()
        provider.store.down = True

        assert works(provider, program)

    def test_what_was_noted_lately_is_asked_of_no_server(self) -> None:
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


def test_a_week_is_enough_to_deploy() -> None:
    assert timedelta(days=7) == BOTH_GOOD
