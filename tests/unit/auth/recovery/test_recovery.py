"""Proving an address by mail, and setting a forgotten password."""

import hashlib
from typing import Any

import pytest
from chalice import Chalice

from chalicelib.auth.models import PasswordChange
from chalicelib.auth.recovery.models import PasswordReset
from chalicelib.auth.sessions.models import SignedIn
from chalicelib.errors import (
    InvalidCredentials,
    LinkInvalid,
    RateLimited,
    Unavailable,
    ValidationFailed,
)
from chalicelib.identity import Source
from chalicelib.mail.models import Letter
from tests.unit.auth.fakes import PHONE, auth_settings
from tests.unit.conftest import PASSWORD, World, call, make_world, token_in
from tests.unit.settings import rates

NEW = "battery staple"
ANA = "ana@example.org"


def ask(world: World, address: str = ANA) -> list[str]:
    """Ask for a reset; the tokens that are mailed."""
    world.request_reset(address)
    return [token_in(letter) for letter in world.mailed()]


def digest_of(letter: Letter) -> bytes:
    return hashlib.sha256(token_in(letter).encode()).digest()


def reset(world: World, token: str, password: str = NEW) -> None:
    world.recovery.reset(PasswordReset(token=token, new_password=password), PHONE)


class TestVerification:
    def test_registering_mails_a_link_that_verifies(self, world: World) -> None:
        ana = world.register()
        assert not ana.user.email_verified
        (letter,) = world.mailed()

        world.recovery.verify(world.identity(ana), token_in(letter))

        assert letter.to == ANA
        assert "http://127.0.0.1:8000/#verify=" in letter.text
        assert world.users.me(ana.user.id).email_verified

    def test_links_lead_to_the_web_client_where_it_is_elsewhere(self) -> None:
        world = make_world(auth_settings(web_url="https://chat.example.org/app/"))
        world.register()

        (letter,) = world.mailed()

        assert "https://chat.example.org/app/#verify=" in letter.text

    def test_a_verified_address_is_a_name_to_sign_in_with(self, world: World) -> None:
        world.register()
        with pytest.raises(InvalidCredentials):
            world.login(ANA)
        (letter,) = world.mailed()

        world.recovery.verify(world.identity(world.login()), token_in(letter))

        assert world.login(ANA)

    def test_can_be_repeated(self, world: World) -> None:
        ana = world.register()
        (letter,) = world.mailed()
        for _ in range(2):
            world.recovery.verify(world.identity(ana), token_in(letter))

    def test_a_link_verifies_no_other_account(self, world: World) -> None:
        """A user who follows a link out of curiosity must not verify a stranger's account."""
        eve = world.register("eve", ANA)
        (letter,) = world.mailed()
        ana = world.register("ana", ANA)

        with pytest.raises(LinkInvalid):
            world.recovery.verify(world.identity(ana), token_in(letter))

        assert not world.users.me(eve.user.id).email_verified

    def test_a_newer_link_leaves_the_older_good(self, world: World) -> None:
        ana = world.register()
        (older,) = world.mailed()
        world.clock.go(minutes=10)
        world.recovery.request_verification(world.identity(ana))
        (newer,) = world.mailed()

        world.recovery.verify(world.identity(ana), token_in(older))

        assert token_in(newer) != token_in(older)
        assert world.tables.links == {}

    def test_while_a_link_is_fresh_there_is_no_other(self, world: World) -> None:
        ana = world.register()
        (fresh,) = world.mailed()
        for _ in range(3):
            world.recovery.request_verification(world.identity(ana))
            assert world.mailed() == []

        world.recovery.verify(world.identity(ana), token_in(fresh))

    def test_strangers_who_claim_an_address_void_no_link_of_its_first_claim(
        self, world: World
    ) -> None:
        ana = world.register()
        (first,) = world.mailed()
        for n in range(7):
            world.register(f"eve_{n}", ANA)
        assert len(world.mailed()) == 5
        world.clock.go(minutes=10)
        world.recovery.request_verification(world.identity(ana))

        (second,) = world.mailed()

        for letter in (first, second):
            assert world.tables.links[digest_of(letter)].user_id == ana.user.id
        world.recovery.verify(world.identity(ana), token_in(first))

    def test_a_link_whose_mail_was_not_taken_is_replaced(self, world: World) -> None:
        ana = world.register()
        world.ses.refusing = 1
        assert world.mailed() == []
        world.clock.go(minutes=1)

        (letter,) = world.mailed()

        assert list(world.tables.links) == [digest_of(letter)]
        world.recovery.verify(world.identity(ana), token_in(letter))

    def test_a_link_is_good_for_a_day(self, world: World) -> None:
        ana = world.register()
        (letter,) = world.mailed()
        world.clock.go(hours=25)

        with pytest.raises(LinkInvalid):
            world.recovery.verify(world.identity(world.login()), token_in(letter))
        assert not world.users.me(ana.user.id).email_verified

    def test_a_verified_address_is_not_mailed_again(self, world: World) -> None:
        ana = world.verified()
        world.recovery.request_verification(world.identity(ana))

        assert world.mailed() == []

    def test_an_address_has_one_owner(self, world: World) -> None:
        ana, eve = world.register("ana"), world.register("eve", ANA)
        for_ana, for_eve = world.mailed()
        world.recovery.verify(world.identity(ana), token_in(for_ana))

        with pytest.raises(LinkInvalid):
            world.recovery.verify(world.identity(eve), token_in(for_eve))

    def test_only_the_owner_of_an_address_learns_of_another_account_with_it(
        self, world: World
    ) -> None:
        world.verified()
        eve = world.register("eve", ANA)

        (letter,) = world.mailed()

        assert letter.to == ANA
        assert "@eve" in letter.text
        assert "#verify" not in letter.text
        assert not world.users.me(eve.user.id).email_verified

    def test_a_deleted_account_is_not_mailed(self, world: World) -> None:
        ana = world.register()
        world.delete(world.identity(ana))

        assert world.mailed() == []
        assert world.tables.mails == {}


class TestReset:
    def test_sets_a_password_and_ends_all_sessions(self, world: World) -> None:
        ana = world.verified()
        (token,) = ask(world)

        reset(world, token)

        assert not world.stands(ana)
        assert world.sockets.closed == [(ana.user.id, ana.session_id)]
        with pytest.raises(InvalidCredentials):
            world.login()
        assert world.login(password=NEW)

    def test_the_same_is_done_at_once_for_any_address(self, world: World) -> None:
        world.register()
        world.mailed()
        for address in (ANA, "nobody@example.org"):
            world.request_reset(address)

        assert [kind for kind, _ in world.tables.mails] == ["reset", "reset"]
        assert len(world.mailed()) == 1
        assert world.tables.mails == {}

    def test_a_link_is_good_once(self, world: World) -> None:
        world.verified()
        (token,) = ask(world)
        reset(world, token)

        with pytest.raises(LinkInvalid):
            reset(world, token, "another battery")
        assert world.login(password=NEW)

    def test_asking_every_minute_leaves_a_link_that_is_good(self) -> None:
        """Anybody can ask, for any address."""
        world = make_world(auth_settings(rate_limits=rates({"reset.address": 99})))
        world.verified()
        tokens = []
        for _ in range(31):
            tokens += ask(world)
            world.clock.go(minutes=1)

        assert len(tokens) == 4
        with pytest.raises(LinkInvalid):
            reset(world, tokens[0])
        reset(world, tokens[1])

    def test_using_a_link_voids_the_others(self, world: World) -> None:
        world.verified()
        (older,) = ask(world)
        world.clock.go(minutes=10)
        (newer,) = ask(world)

        reset(world, older)

        with pytest.raises(LinkInvalid):
            reset(world, newer, "another battery")

    def test_is_mailed_to_its_user(self, world: World) -> None:
        world.verified()
        (token,) = ask(world)
        reset(world, token)

        assert world.told() == ["Your password was reset"]

    def test_a_link_is_good_for_half_an_hour(self, world: World) -> None:
        world.verified()
        (token,) = ask(world)
        world.clock.go(minutes=31)

        with pytest.raises(LinkInvalid):
            reset(world, token)
        assert world.login()

    def test_a_link_for_the_address_sets_no_password(self, world: World) -> None:
        world.register()
        (letter,) = world.mailed()

        with pytest.raises(LinkInvalid):
            reset(world, token_in(letter))

    def test_a_change_of_password_voids_the_link(self, world: World) -> None:
        ana = world.verified()
        (token,) = ask(world)
        change = PasswordChange(current_password=PASSWORD, new_password=NEW)
        world.password_changes.change(world.identity(ana), change)

        with pytest.raises(LinkInvalid):
            reset(world, token, "another battery")

    def test_no_token_is_kept(self, world: World) -> None:
        world.verified()
        (token,) = ask(world)

        assert token not in repr(world.tables)

    @pytest.mark.parametrize("weak", ["password123", "ana@example.org"])
    def test_a_weak_password_is_refused_and_the_link_stays_good(
        self, world: World, weak: str
    ) -> None:
        world.verified()
        (token,) = ask(world)

        with pytest.raises(ValidationFailed):
            reset(world, token, weak)
        reset(world, token)

    def test_proves_the_address(self, world: World) -> None:
        ana = world.register()
        world.mailed()
        (token,) = ask(world)

        reset(world, token)

        assert world.users.me(ana.user.id).email_verified

    def test_only_the_account_that_verified_an_address_is_mailed(self, world: World) -> None:
        ana, _ = world.verified("ana"), world.register("eve", ANA)
        world.mailed()

        (token,) = ask(world)
        reset(world, token)

        assert world.tables.passwords[ana.user.id]
        assert world.login("ana", NEW)
        assert world.login("eve")

    def test_while_nobody_verified_it_the_three_oldest_claims_are_mailed(
        self, world: World
    ) -> None:
        people = [world.register(f"ana_{n}", ANA).user.id for n in range(4)]
        world.mailed()
        world.throttle.taken.clear()

        tokens = ask(world)
        reset(world, tokens[0])

        assert len(tokens) == 3
        for token in tokens[1:]:
            with pytest.raises(LinkInvalid):
                reset(world, token)
        verified = [user_id for user_id in people if world.users.me(user_id).email_verified]
        assert verified == [min(people)]

    def test_later_claims_do_not_push_out_earlier_ones(self, world: World) -> None:
        ana = world.register()
        for n in range(9):
            world.register(f"eve_{n}", ANA)
        world.mailed()

        (token,) = ask(world)
        reset(world, token)

        assert world.users.me(ana.user.id).email_verified

    def test_a_username_selects_among_accounts_with_one_address(self, world: World) -> None:
        for n in range(4):
            world.register(f"eve_{n}", ANA)
        ana = world.register()
        world.mailed()
        world.throttle.taken.clear()

        world.request_reset(ANA, username="ana")
        (letter,) = world.mailed()
        reset(world, token_in(letter))

        assert "@ana" in letter.text
        assert world.users.me(ana.user.id).email_verified

    def test_a_username_does_not_tell_whose_address_it_is(self, world: World) -> None:
        world.verified("ana")
        world.verified("bo_")

        world.request_reset("bo_@example.org", username="ana")

        assert world.mailed() == []

    def test_a_right_link_ignores_limits_that_others_can_use_up(self) -> None:
        world = make_world(auth_settings(rate_limits=rates({"reset.address": 2})))
        world.verified()
        (token,) = ask(world)
        with pytest.raises(LinkInvalid):
            reset(world, "made up")
        with pytest.raises(RateLimited):
            reset(world, "made up")

        reset(world, token)

    def test_resets_the_limits_that_guesses_used_up(self, world: World) -> None:
        world.verified()
        for _ in range(10):
            with pytest.raises(InvalidCredentials):
                world.login(password="wrong")
        with pytest.raises(RateLimited):
            world.login()
        (token,) = ask(world)

        reset(world, token)

        assert world.login(password=NEW)

    def test_a_repeat_completes_what_an_outage_cut_short(self, world: World) -> None:
        ana = world.verified()
        (token,) = ask(world)
        world.revocation.down = True
        with pytest.raises(Unavailable):
            reset(world, token)
        world.revocation.down = False
        assert world.stands(ana)

        with pytest.raises(LinkInvalid):
            reset(world, token, "another battery")
        reset(world, token)

        assert not world.stands(ana)

    def test_a_suspended_account_stays_suspended(self, world: World) -> None:
        ana = world.verified()
        world.tables.users[ana.user.id].suspended_at = world.clock()
        (token,) = ask(world)

        reset(world, token)

        assert world.tables.users[ana.user.id].suspended_at is not None

    def test_requests_are_limited_by_where_they_come_from(self) -> None:
        world = make_world(auth_settings(rate_limits=rates({"reset.address": 2})))
        for address in ("a@example.org", "b@example.org"):
            world.request_reset(address)

        with pytest.raises(RateLimited):
            world.request_reset("c@example.org")
        world.request_reset("c@example.org", Source(address="192.0.2.9", user_agent=""))

    def test_tokens_of_no_account_are_limited_before_any_password_is_hashed(self) -> None:
        world = make_world(auth_settings(rate_limits=rates({"reset.address": 2})))
        for _ in range(2):
            with pytest.raises(LinkInvalid):
                reset(world, "made up")
        with pytest.raises(RateLimited):
            reset(world, "made up")
        assert world.passwords.hashed == 0


class TestRoutes:
    @pytest.fixture
    def ana(self, world: World) -> SignedIn:
        return world.register()

    def test_a_request_for_a_reset_is_answered_alike_for_every_address(
        self, app: Chalice, world: World, ana: SignedIn
    ) -> None:
        route = "POST /v1/auth/password/reset-request"

        answers = [call(app, route, {"email": email}) for email in (ANA, "no@example.org")]

        assert answers[0] == answers[1]
        assert answers[0][0] == 204

    def test_a_reset_goes_all_the_way(self, app: Chalice, world: World, ana: SignedIn) -> None:
        world.mailed()
        call(app, "POST /v1/auth/password/reset-request", {"email": ANA.upper()})
        (letter,) = world.mailed()
        body = {"token": token_in(letter), "new_password": NEW}

        assert call(app, "POST /v1/auth/password/reset", body)[0] == 204
        assert call(app, "GET /v1/users/me", by=ana)[0] == 401
        login = {"login": "ana", "password": NEW}
        assert call(app, "POST /v1/auth/login", login)[0] == 200

    def test_the_profile_says_whether_the_address_is_verified(
        self, app: Chalice, world: World, ana: SignedIn
    ) -> None:
        assert call(app, "GET /v1/users/me", by=ana)[1]["email_verified"] is False
        assert call(app, "POST /v1/auth/email/verify-request", by=ana)[0] == 204
        (letter,) = world.mailed()
        body = {"token": token_in(letter)}
        assert call(app, "POST /v1/auth/email/verify", body)[0] == 401

        assert call(app, "POST /v1/auth/email/verify", body, by=ana)[0] == 204

        assert call(app, "GET /v1/users/me", by=ana)[1]["email_verified"] is True

    @pytest.mark.parametrize(
        ("route", "body", "status", "code"),
        [
            ("email/verify", {"token": "x"}, 400, "link_invalid"),
            ("password/reset", {"token": "x", "new_password": NEW}, 400, "link_invalid"),
            ("password/reset", {"token": "x" * 129, "new_password": NEW}, 422, "validation_failed"),
            ("password/reset", {"token": "x", "new_password": "short"}, 422, "validation_failed"),
            ("password/reset-request", {"email": "nobody"}, 422, "validation_failed"),
        ],
    )
    def test_a_wrong_one_is_refused(
        self, app: Chalice, ana: SignedIn, route: str, body: Any, status: int, code: str
    ) -> None:
        found, answer = call(app, f"POST /v1/auth/{route}", body, by=ana)

        assert (found, answer["code"]) == (status, code)
