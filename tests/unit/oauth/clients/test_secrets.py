"""The secrets of programs, and when they were last used."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.auth.sessions.models import SignedIn
from chalicelib.identity import Identity
from chalicelib.ids import new_id
from chalicelib.oauth.clients.models import OAuthClient
from chalicelib.oauth.clients.registration import (
    ClientQuery,
)
from chalicelib.oauth.clients.service import BOTH_GOOD
from chalicelib.wire import now
from tests.unit.auth.fakes import PHONE
from tests.unit.oauth.clients.conftest import info, refresh, rotate, works
from tests.unit.oauth.conftest import Provider


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
