"""Registering, signing in, changing a password, deleting an account."""

from typing import Any

import pyotp
import pytest
from argon2 import PasswordHasher
from pydantic_core import from_json

from chalicelib.auth.models import Credentials, PasswordChange, PasswordProof, Registration
from chalicelib.auth.passwords import Passwords
from chalicelib.auth.second_factor.models import SecondFactorCode
from chalicelib.auth.sessions.models import SessionQuery
from chalicelib.auth.sessions.store import MAX_SESSIONS
from chalicelib.errors import (
    AppError,
    InvalidCredentials,
    RateLimited,
    SecondFactorRequired,
    Unauthorized,
    Unavailable,
    UsernameTaken,
    UserNotFound,
    ValidationFailed,
)
from chalicelib.identity import Source
from chalicelib.users.device_models import PushToken
from chalicelib.users.models import ProfileChanges
from chalicelib.users.names import ReservedNames
from tests.unit.auth.fakes import PHONE, auth_settings
from tests.unit.conftest import PASSWORD, World, make_world
from tests.unit.settings import rates

NEW = "battery staple"


def registration(**changes: Any) -> Registration:
    good = {
        "email": "ana@example.org",
        "username": "ana",
        "password": PASSWORD,
        "display_name": "Ana",
    }
    return Registration(**{**good, **changes})


def at(address: str) -> Source:
    return Source(address=address, user_agent="")


class CountingHasher:
    """Counts runs of argon2."""

    def __init__(self, real: PasswordHasher) -> None:
        self.real, self.runs = real, 0

    def hash(self, password: str) -> str:
        self.runs += 1
        return self.real.hash(password)

    def verify(self, password_hash: str, password: str) -> bool:
        self.runs += 1
        return self.real.verify(password_hash, password)


def once_verified(world: World, monkeypatch: pytest.MonkeyPatch, then: Any) -> None:
    """Have something happen right after the next password was found right."""
    verify = world.passwords.verify

    def verify_and(password_hash: str | None, password: str) -> bool:
        right = verify(password_hash, password)
        monkeypatch.undo()
        then()
        return right

    monkeypatch.setattr(world.passwords, "verify", verify_and)


class TestRegister:
    def test_signs_in(self, world: World) -> None:
        ana = world.register()

        assert world.identity(ana).user_id == ana.user.id
        assert (ana.user.username, ana.user.email, ana.user.about) == ("ana", "ana@example.org", "")
        assert (ana.token_type, ana.expires_in) == ("Bearer", 900)

    def test_keeps_no_password(self, world: World) -> None:
        world.register()

        assert PASSWORD not in repr(world.tables)

    def test_names_are_unique_regardless_of_case(self, world: World) -> None:
        world.register()

        with pytest.raises(UsernameTaken):
            world.accounts.register(registration(username="ANA", email="b@example.org"), PHONE)

    def test_tells_nothing_of_who_has_the_address(self, world: World) -> None:
        world.verified("ana")

        eve = world.register("eve", "ana@example.org")

        assert (eve.user.email, eve.user.email_verified) == ("ana@example.org", False)

    @pytest.mark.parametrize(
        "weak",
        [
            "password123",
            "QWERTYUIOP",
            "ana@example.org",
            "ANA@Example.org",
            "aaaaaaaaaa",
            "password12345",
            "parleyparley",
        ],
    )
    def test_refuses_weak_passwords(self, world: World, weak: str) -> None:
        with pytest.raises(ValidationFailed) as raised:
            world.accounts.register(registration(password=weak), PHONE)

        assert [one["field"] for one in raised.value.details["errors"]] == ["password"]
        assert weak not in str(raised.value.details)
        assert not world.tables.users

    def test_refuses_the_username_and_the_local_part_as_password(self, world: World) -> None:
        for weak in ("ana_the_great", "ana.banana"):
            with pytest.raises(ValidationFailed):
                world.accounts.register(
                    registration(
                        username="ana_the_great", email="ana.banana@example.org", password=weak
                    ),
                    PHONE,
                )

    @pytest.mark.parametrize(
        ("field", "name"),
        [
            ("username", "admin"),
            ("username", "ADM1N_"),
            ("username", "parley_support"),
            ("display_name", "Deleted user"),
            ("display_name", "P\u0430rley"),
        ],
    )
    def test_refuses_names_that_pretend(self, world: World, field: str, name: str) -> None:
        with pytest.raises(ValidationFailed) as raised:
            world.accounts.register(registration(**{field: name}), PHONE)

        (error,) = raised.value.details["errors"]
        assert (error["field"], "is reserved" in error["message"]) == (field, True)
        assert not world.tables.users

    def test_an_operator_reserves_names(self) -> None:
        world = make_world(auth_settings(reserved_names="Acme, Acme Chat"))

        for username in ("acme", "acme_chat", "acme_support"):
            with pytest.raises(ValidationFailed):
                world.register(username)
        assert world.register("acme_joe")

    def test_who_has_a_reserved_name_keeps_it(self, world: World) -> None:
        holder = world.register("acme")
        later = ReservedNames(["Acme"])
        vars(world.accounts)["_names"], vars(world.users)["_names"] = later, lambda: later

        assert world.login("acme").user.id == holder.user.id
        assert world.admin.appoint("acme", "admin") == holder.user.id
        sent = ProfileChanges(display_name="Acme", about="hi")
        assert world.users.update(holder.user.id, sent).about == "hi"
        with pytest.raises(ValidationFailed):
            world.users.update(holder.user.id, ProfileChanges(display_name="ACME"))

    def test_is_limited_by_address_before_anything_is_hashed(self) -> None:
        world = make_world(auth_settings(rate_limits=rates({"register.address": 2})))
        for name in ("ana", "bo_"):
            world.register(name)
        hashed = world.passwords.hashed

        with pytest.raises(RateLimited):
            world.register("cy_")

        assert world.passwords.hashed == hashed
        elsewhere = registration(username="dee", email="dee@example.org")
        assert world.accounts.register(elsewhere, at("192.0.2.9")).user.username == "dee"

    def test_control_characters_of_a_user_agent_are_dropped(self, world: World) -> None:
        client = Source(address="192.0.2.1", user_agent="a\x00b\nc\ud800")
        ana = world.accounts.register(registration(), client)

        page = world.auth.sessions(world.identity(ana), SessionQuery())
        assert [one.user_agent for one in page.items] == ["abc"]


class TestLogin:
    @pytest.mark.parametrize("login", ["ana", "ANA", "ana@example.org", " Ana@Example.org"])
    def test_by_name_or_address_in_any_case(self, world: World, login: str) -> None:
        world.verified()

        assert world.login(login).user.username == "ana"

    def test_makes_a_session_of_its_own(self, world: World) -> None:
        ana = world.register()
        credentials = Credentials(login="ana", password=PASSWORD, device_name="Tablet")
        tablet = world.accounts.login(credentials, PHONE)

        page = world.auth.sessions(world.identity(tablet), SessionQuery())
        assert {one.id: one.device_name for one in page.items} == {
            ana.session_id: None,
            tablet.session_id: "Tablet",
        }

    def test_tells_the_sockets_of_other_sessions(self, world: World) -> None:
        ana = world.register()
        assert world.sockets.told == []

        again = world.login()

        ((user_ids, event),) = world.sockets.told
        assert user_ids == [ana.user.id]
        told = from_json(event.to_wire())
        assert told["event"] == "account.signed_in"
        assert told["data"]["session_id"] == again.session_id
        assert told["data"]["user_agent"] == PHONE.user_agent

    def test_right_ones_are_limited_before_anything_is_hashed_stored_or_mailed(self) -> None:
        world = make_world(auth_settings(rate_limits=rates({"sign-in.user": 3})))
        world.verified()
        for _ in range(3):
            world.login()
        before = world.passwords.verified, len(world.tables.sessions), len(world.tables.mails)

        for login in ("ana", "ana@example.org"):
            with pytest.raises(RateLimited):
                world.login(login)

        assert before == (
            world.passwords.verified,
            len(world.tables.sessions),
            len(world.tables.mails),
        )

    def test_wrong_ones_do_not_count_as_right(self) -> None:
        sizes = {"sign-in.user": 1, "login-here.target": 3}
        world = make_world(auth_settings(rate_limits=rates(sizes)))
        world.register()
        for _ in range(2):
            with pytest.raises(InvalidCredentials):
                world.login(password="wrong")

        assert world.login()

    def test_a_right_password_without_its_second_factor_counts_as_right(self) -> None:
        world = make_world(auth_settings(rate_limits=rates({"sign-in.user": 3})))
        ana = world.register()
        proof = PasswordProof(password=PASSWORD)
        app = pyotp.TOTP(world.second_factor.set_up(world.identity(ana), proof).secret)
        code = SecondFactorCode(code=app.at(world.clock()))
        world.second_factor.confirm(world.identity(ana), code)
        for _ in range(3):
            with pytest.raises(SecondFactorRequired):
                world.login()
        hashed = world.passwords.verified

        with pytest.raises(RateLimited):
            world.login()

        assert world.passwords.verified == hashed

    def test_a_reset_by_mail_lets_the_owner_in_again_at_once(self) -> None:
        world = make_world(auth_settings(rate_limits=rates({"sign-in.user": 1})))
        ana = world.verified()
        world.login()

        world.throttle.forgive(ana.user.id, ["ana"], PHONE.address)

        assert world.login()

    def test_works_while_sockets_cannot_be_reached(self, world: World) -> None:
        world.register()
        world.sockets.down = True

        assert world.login()

    def test_a_refused_one_sends_no_event(self, world: World) -> None:
        world.register()
        with pytest.raises(InvalidCredentials):
            world.login(password="wrong")

        assert world.sockets.told == []

    def test_from_a_device_that_shows_no_known_key_is_mailed_to_a_verified_address(
        self, world: World
    ) -> None:
        world.verified()
        firefox = Source(address="192.0.2.1", user_agent="X11; Linux Firefox/128")
        credentials = Credentials(login="ana", password=PASSWORD, device_key="k" * 22)

        world.accounts.login(credentials, firefox)
        (letter,) = world.mailed()
        world.accounts.login(credentials, firefox)

        assert letter.to == "ana@example.org"
        assert letter.subject == "New sign-in to your account"
        assert "signed in: Firefox on Linux, on 01 January 2026 at 01:00 UTC" in letter.text
        assert world.mailed() == []

    @pytest.mark.parametrize("key", [None, "x" * 22])
    def test_copying_the_name_and_user_agent_of_a_device_makes_no_known_device(
        self, world: World, key: str | None
    ) -> None:
        world.verified()
        named = Credentials(login="ana", password=PASSWORD, device_name="Desk")
        world.accounts.login(named.model_copy(update={"device_key": "k" * 22}), PHONE)
        world.mailed()

        world.accounts.login(named.model_copy(update={"device_key": key}), PHONE)

        assert world.told() == ["New sign-in to your account"]

    def test_a_password_without_the_second_factor_makes_no_device_known(self, world: World) -> None:
        identity = world.identity(world.verified())
        secret = world.second_factor.set_up(identity, PasswordProof(password=PASSWORD)).secret
        code = pyotp.TOTP(secret).at(world.clock())
        world.second_factor.confirm(identity, SecondFactorCode(code=code))
        world.mailed()
        thief = Credentials(login="ana", password=PASSWORD, device_key="k" * 22)
        with pytest.raises(SecondFactorRequired):
            world.accounts.login(thief, PHONE)
        world.clock.go(seconds=30)

        code = pyotp.TOTP(secret).at(world.clock())
        world.accounts.login(thief.model_copy(update={"second_factor": code}), PHONE)

        assert world.told() == ["New sign-in to your account"]

    def test_many_are_mailed_together(self, world: World) -> None:
        world.verified()
        for _ in range(30):
            world.login()

        (letter,) = world.mailed()

        assert "30 times from 01 January 2026" in letter.text

    def test_is_not_mailed_to_an_address_that_may_be_anybodys(self, world: World) -> None:
        world.register()
        world.mailed()
        world.accounts.login(Credentials(login="ana", password=PASSWORD, device_name="Desk"), PHONE)

        assert world.mailed() == []
        assert world.tables.mails == {}

    def test_an_unknown_login_and_a_wrong_password_look_alike(self, world: World) -> None:
        world.verified()
        answers = []
        for login in ("ana", "nobody", "ana@example.org", "nobody@example.org"):
            with pytest.raises(InvalidCredentials) as raised:
                world.login(login, "wrong password")
            answers.append(raised.value.to_wire())

        assert all(answer == answers[0] for answer in answers)

    def test_an_unknown_login_costs_the_same_work_as_a_wrong_password(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Counted in runs of argon2, which take nearly all of the time."""
        world.register()
        hasher = CountingHasher(world.passwords._hasher)
        monkeypatch.setattr(world.passwords, "_hasher", hasher)

        costs = []
        for login in ("ana", "nobody"):
            with pytest.raises(InvalidCredentials):
                world.login(login, "wrong password")
            costs.append(hasher.runs)
            hasher.runs = 0

        assert costs == [1, 1]

    def test_failures_are_limited_by_login(self) -> None:
        world = make_world(auth_settings(rate_limits=rates({"login.target": 3})))
        world.register()
        for n in range(3):
            with pytest.raises(InvalidCredentials):
                world.accounts.login(Credentials(login="ana", password="wrong"), at(f"192.0.2.{n}"))
        verified = world.passwords.verified

        with pytest.raises(RateLimited) as raised:
            world.accounts.login(Credentials(login="ana", password=PASSWORD), at("192.0.2.9"))

        assert raised.value.details["retry_after"] == 900
        assert world.passwords.verified == verified

    def test_failures_from_one_address_leave_the_others_theirs(self) -> None:
        world = make_world(auth_settings(rate_limits=rates({"login-here.target": 3})))
        world.register()
        for _ in range(3):
            with pytest.raises(InvalidCredentials):
                world.login(password="wrong")

        with pytest.raises(RateLimited):
            world.login()
        assert world.accounts.login(Credentials(login="ana", password=PASSWORD), at("192.0.2.9"))

    @pytest.mark.parametrize("guessed", ["ana", "ana@example.org"])
    def test_a_guesser_does_not_lock_out_a_device_that_has_signed_in(self, guessed: str) -> None:
        world = make_world(auth_settings())
        world.verified()
        phone = Credentials(login="ana", password=PASSWORD, device_key="k" * 22)
        world.accounts.login(phone, PHONE)
        for n in range(40):
            with pytest.raises((InvalidCredentials, RateLimited)):
                world.accounts.login(
                    Credentials(login=guessed, password="wrong"), at(f"192.0.2.{n}")
                )
        with pytest.raises(AppError):
            world.login()

        for _ in range(20):
            assert world.accounts.login(phone, at("198.51.100.1"))

    def test_a_guesser_does_not_lock_out_a_device_that_registered(self) -> None:
        world = make_world(auth_settings(rate_limits=rates({"login-here.target": 1})))
        key = "k" * 22
        world.accounts.register(registration(username="ana", device_key=key), PHONE)
        with pytest.raises(InvalidCredentials):
            world.login(password="wrong")

        assert world.accounts.login(
            Credentials(login="ana", password=PASSWORD, device_key=key), PHONE
        )

    def test_a_known_device_is_not_locked_out_at_the_guessers_address(self) -> None:
        world = make_world(auth_settings(rate_limits=rates({"login.address": 3})))
        world.register()
        phone = Credentials(login="ana", password=PASSWORD, device_key="k" * 22)
        world.accounts.login(phone, PHONE)
        for name in ("b", "c", "d"):
            with pytest.raises(InvalidCredentials):
                world.login(name)
        with pytest.raises(RateLimited):
            world.login("e")

        assert world.accounts.login(phone, PHONE)

    @pytest.mark.parametrize("names", [("ana", "ana@example.org"), ("ana@example.org", "ana")])
    def test_a_known_device_is_not_locked_out_by_the_other_name(
        self, names: tuple[str, str]
    ) -> None:
        world = make_world(auth_settings(rate_limits=rates({"login.address": 3})))
        world.verified()
        before, now = (
            Credentials(login=name, password=PASSWORD, device_key="k" * 22) for name in names
        )
        world.accounts.login(before, PHONE)
        for name in ("b", "c", "d"):
            with pytest.raises(InvalidCredentials):
                world.login(name)

        assert world.accounts.login(now, PHONE)

    def test_an_address_that_is_only_claimed_makes_no_device_known(self) -> None:
        world = make_world(auth_settings(rate_limits=rates({"login-here.target": 1})))
        key = "k" * 22
        world.accounts.register(registration(username="eve", device_key=key), PHONE)
        world.accounts.login(Credentials(login="eve", password=PASSWORD, device_key=key), PHONE)
        address = registration(username="eve").email
        guess = Credentials(login=address, password="wrong", device_key=key)
        with pytest.raises(InvalidCredentials):
            world.accounts.login(guess, PHONE)

        with pytest.raises(RateLimited):
            world.accounts.login(guess, PHONE)

    def test_a_device_that_guesses_too_much_is_limited_alone(self) -> None:
        world = make_world(auth_settings(rate_limits=rates({"login-device.target": 3})))
        world.register()
        phone = Credentials(login="ana", password=PASSWORD, device_key="k" * 22)
        world.accounts.login(phone, PHONE)
        for _ in range(3):
            with pytest.raises(InvalidCredentials):
                world.accounts.login(phone.model_copy(update={"password": "wrong"}), PHONE)

        with pytest.raises(RateLimited):
            world.accounts.login(phone, PHONE)
        assert world.login()

    def test_an_unknown_device_key_gives_no_tokens(self) -> None:
        world = make_world(auth_settings(rate_limits=rates({"login-here.target": 3})))
        world.register()
        world.register("bo_")
        world.accounts.login(
            Credentials(login="bo_", password=PASSWORD, device_key="b" * 22), PHONE
        )
        codes = []
        for key in ("b" * 22, "c" * 22, "d" * 22, "b" * 22):
            with pytest.raises(AppError) as raised:
                world.accounts.login(
                    Credentials(login="ana", password="wrong", device_key=key), PHONE
                )
            codes.append(raised.value.code)

        assert codes == ["invalid_credentials"] * 3 + ["rate_limited"]

    def test_both_names_of_an_account_share_its_guesses(self) -> None:
        world = make_world(auth_settings(rate_limits=rates({"login-here.target": 4})))
        ana = world.verified()
        for login in ("ana", "ana@example.org") * 2:
            with pytest.raises(InvalidCredentials):
                world.login(login, "wrong")

        for login in ("ana", "ana@example.org"):
            with pytest.raises(InvalidCredentials):
                world.login(login)
        assert set(world.tables.sessions) == {ana.session_id}

    def test_guesses_at_one_name_do_not_tell_whose_the_other_is(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Once the guesses at her name are used up, her address is answered as one that nobody
        has, after the same work."""
        world = make_world(auth_settings(rate_limits=rates({"login-here.target": 2})))
        world.verified()
        hasher = CountingHasher(world.passwords._hasher)
        monkeypatch.setattr(world.passwords, "_hasher", hasher)

        def guess(login: str) -> tuple[dict[str, Any], int]:
            hasher.runs = 0
            with pytest.raises(AppError) as raised:
                world.login(login)
            return raised.value.to_wire(), hasher.runs

        for _ in range(2):
            with pytest.raises(InvalidCredentials):
                world.login("ana", "wrong")

        hers = [guess("ana@example.org") for _ in range(4)]
        assert hers == [guess("nobody@example.org") for _ in range(4)]
        assert [answer["code"] for answer, _ in hers] == ["invalid_credentials"] * 2 + [
            "rate_limited"
        ] * 2

    def test_an_unknown_account_is_limited_the_same(self) -> None:
        world = make_world(auth_settings(rate_limits=rates({"login-here.target": 1})))
        answers = []
        for _ in range(2):
            with pytest.raises(AppError) as raised:
                world.login("nobody")
            answers.append(raised.value.code)

        assert answers == ["invalid_credentials", "rate_limited"]

    def test_failures_are_limited_by_address(self) -> None:
        world = make_world(auth_settings(rate_limits=rates({"login.address": 3})))
        world.register()
        for name in ("b", "c", "d"):
            with pytest.raises(InvalidCredentials):
                world.login(name)

        with pytest.raises(RateLimited):
            world.login("ana")

    def test_a_success_forgives_its_own_attempt_but_not_the_address(self) -> None:
        world = make_world(auth_settings(rate_limits=rates({"login.address": 3})))
        world.register()
        for _ in range(3):
            with pytest.raises(InvalidCredentials):
                world.login(password="wrong")
            if _ < 2:
                world.login()

        with pytest.raises(RateLimited):
            world.login()

    def test_successes_alone_are_not_limited(self) -> None:
        sizes = {"login.address": 1, "login.target": 1, "login-here.target": 1}
        world = make_world(auth_settings(rate_limits=rates(sizes)))
        world.register()

        for _ in range(5):
            assert world.login()

    def test_nobody_is_let_in_when_redis_cannot_count(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.register()

        def down(*_: object) -> None:
            raise Unavailable("redis")

        monkeypatch.setattr(world.throttle, "_look", down)

        with pytest.raises(Unavailable):
            world.login()

    def test_rehashes_when_the_parameters_have_changed(self, world: World) -> None:
        ana = world.register()
        old = world.tables.passwords[ana.user.id]
        stronger = Passwords(auth_settings(argon2_time_cost=2))
        world.accounts._passwords = stronger

        world.login()

        new = world.tables.passwords[ana.user.id]
        assert new != old
        assert not stronger.outdated(new)
        assert world.login()

    def test_does_not_rehash_otherwise(self, world: World) -> None:
        ana = world.register()
        before = world.tables.passwords[ana.user.id]
        world.login()

        assert world.tables.passwords[ana.user.id] == before

    def test_a_password_changed_meanwhile_opens_no_session(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ana = world.register()
        verify = world.passwords.verify

        def verify_then_change(password_hash: str | None, password: str) -> bool:
            right = verify(password_hash, password)
            world.tables.passwords[ana.user.id] = world.passwords.hash(NEW)
            return right

        monkeypatch.setattr(world.passwords, "verify", verify_then_change)

        with pytest.raises(InvalidCredentials):
            world.login()
        assert set(world.tables.sessions) == {ana.session_id}

    def test_the_least_recently_used_session_ends(self, world: World) -> None:
        ana = world.register()
        world.identity(ana)
        world.clock.go(seconds=1)
        for _ in range(MAX_SESSIONS):
            newest = world.login()

        assert not world.stands(ana)
        assert world.stands(newest)
        assert world.sockets.closed == [(ana.user.id, ana.session_id)]
        assert world.tables.sessions[ana.session_id].revoked_at == world.clock()

    @pytest.mark.parametrize("sick", ["redis", "postgres"])
    def test_g5_a_session_that_cannot_end_now_ends_at_the_next_login(
        self, world: World, monkeypatch: pytest.MonkeyPatch, sick: str
    ) -> None:
        """Meanwhile none is ended that would still be let in, and the login is answered."""
        ana = world.register()
        world.identity(ana)
        world.clock.go(seconds=1)
        for _ in range(MAX_SESSIONS - 1):
            world.login()

        def down(*_: object) -> None:
            raise Unavailable(sick)

        redis, postgres = (world.revocation, "tombstones"), (world.auth._store(), "revoke")
        broken, method = redis if sick == "redis" else postgres
        monkeypatch.setattr(broken, method, down)
        assert world.stands(world.login())
        assert world.tables.sessions[ana.session_id].revoked_at is None
        monkeypatch.undo()

        world.login()

        assert not world.stands(ana)
        assert world.tables.sessions[ana.session_id].revoked_at is not None
        assert (ana.user.id, ana.session_id) in world.sockets.closed


class TestChangePassword:
    def change(self, current: str = PASSWORD, new: str = NEW) -> PasswordChange:
        return PasswordChange(current_password=current, new_password=new)

    def test_ends_all_other_sessions(self, world: World) -> None:
        ana, tablet = world.register(), world.login()
        world.identity(tablet)

        world.password_changes.change(world.identity(ana), self.change())

        assert world.stands(ana)
        assert not world.stands(tablet)
        assert world.sockets.closed == [(ana.user.id, tablet.session_id)]

    def test_only_the_new_password_works_afterwards(self, world: World) -> None:
        world.password_changes.change(world.identity(world.register()), self.change())

        assert world.login(password=NEW)
        with pytest.raises(InvalidCredentials):
            world.login()

    def test_needs_the_current_one(self, world: World) -> None:
        ana, tablet = world.register(), world.login()

        with pytest.raises(InvalidCredentials):
            world.password_changes.change(world.identity(ana), self.change("wrong"))

        assert world.login()
        assert world.stands(tablet)

    def test_guesses_at_the_current_one_are_limited(self) -> None:
        """Each change that is refused has tried two passwords: the new one may be in force."""
        world = make_world(auth_settings(rate_limits=rates({"password.user": 4})))
        identity = world.identity(world.register())
        for _ in range(2):
            with pytest.raises(InvalidCredentials):
                world.password_changes.change(identity, self.change("wrong"))

        with pytest.raises(RateLimited):
            world.password_changes.change(identity, self.change())
        with pytest.raises(RateLimited):
            world.delete(identity)

    def test_two_password_fields_allow_no_more_guesses_than_one(self) -> None:
        world = make_world(auth_settings(rate_limits=rates({"password.user": 4})))
        identity = world.identity(world.register())
        before = world.passwords.verified
        for number in range(10):
            change = self.change(f"guess number {number}", f"another guess {number}")
            with pytest.raises((InvalidCredentials, RateLimited)):
                world.password_changes.change(identity, change)

        assert world.passwords.verified == before + 4

    @pytest.mark.parametrize("weak", ["password123", "ana@example.org"])
    def test_refuses_weak_ones(self, world: World, weak: str) -> None:
        identity = world.identity(world.register())

        with pytest.raises(ValidationFailed) as raised:
            world.password_changes.change(identity, self.change(new=weak))
        assert [one["field"] for one in raised.value.details["errors"]] == ["new_password"]
        assert world.login()

    def test_a_repeat_completes_what_an_outage_cut_short(self, world: World) -> None:
        ana, tablet = world.register(), world.login()
        identity = world.identity(ana)
        world.identity(tablet)
        world.revocation.down = True
        with pytest.raises(Unavailable):
            world.password_changes.change(identity, self.change())
        world.revocation.down = False
        assert world.stands(tablet)

        world.password_changes.change(identity, self.change())

        assert not world.stands(tablet)
        assert world.login(password=NEW)

    def test_a_repeat_mails_its_user_only_once(self, world: World) -> None:
        ana = world.verified()
        for _ in range(2):
            world.password_changes.change(world.identity(ana), self.change())

        (told,) = world.tables.notices.values()
        assert (told.notice.kind, told.notice.times) == ("password_changed", 1)

    def test_g5_a_change_that_was_overtaken_by_another_is_refused(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        owner, thief = world.identity(world.register()), world.identity(world.login())
        once_verified(
            world, monkeypatch, lambda: world.password_changes.change(owner, self.change())
        )

        with pytest.raises(InvalidCredentials):
            world.password_changes.change(thief, self.change(new="a thief's own one"))

        assert world.login(password=NEW)

    def test_a_change_continues_if_the_hash_was_renewed(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        identity = world.identity(world.register())

        def rehash() -> None:
            world.tables.passwords[identity.user_id] = world.passwords.hash(PASSWORD)

        once_verified(world, monkeypatch, rehash)

        world.password_changes.change(identity, self.change())

        assert world.login(password=NEW)

    def test_a_change_gives_up_if_the_hash_changes_each_time(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        identity = world.identity(world.register())
        monkeypatch.setattr(world.accounts._store, "change_password", lambda *_, **__: None)

        with pytest.raises(Unavailable):
            world.password_changes.change(identity, self.change())


class TestDelete:
    def test_leaves_messages_of_a_deleted_user(self, world: World) -> None:
        ana = world.register()

        world.delete(world.identity(ana))

        shown = world.users.get(ana.user.id)
        assert (shown.deleted, shown.username, shown.display_name) == (True, None, "Deleted user")
        assert "ana@example.org" not in repr(world.tables)
        assert not world.tables.passwords

    def test_forgets_devices_presence_and_mails_that_wait(self, world: World) -> None:
        ana = world.accounts.register(registration(device_key="k" * 22), PHONE)
        world.tables.mail("export", ana.user.id, world.clock())
        assert world.throttle.known
        assert len(world.tables.mails) == 2

        world.delete(world.identity(ana))

        assert not world.throttle.known
        assert not world.tables.mails
        assert world.sockets.forgotten == [ana.user.id]

    def test_leaves_the_mail_of_another_who_claims_the_address(self, world: World) -> None:
        eve = world.register()
        world.tables.mail("reset", "ana@example.org", world.clock())

        world.delete(world.identity(eve))

        assert set(world.tables.mails) == {("reset", "ana@example.org")}

    def test_ends_every_session_and_push(self, world: World) -> None:
        ana, tablet = world.register(), world.login()
        identity = world.identity(ana)
        world.devices.set_push_token(identity, "d1", PushToken(token="t1", platform="ios"))

        world.delete(identity)

        assert not world.stands(ana)
        assert not world.stands(tablet)
        assert not world.tables.pushes
        with pytest.raises(Unauthorized):
            world.refresh(tablet.refresh_token)
        with pytest.raises(InvalidCredentials):
            world.login()

    def test_needs_the_password(self, world: World) -> None:
        ana = world.register()

        with pytest.raises(InvalidCredentials):
            world.delete(world.identity(ana), "wrong")
        assert not world.users.get(ana.user.id).deleted

    def test_g5_a_deletion_is_refused_if_the_password_changed(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        owner, thief = world.identity(world.register()), world.identity(world.login())
        change = PasswordChange(current_password=PASSWORD, new_password=NEW)
        once_verified(world, monkeypatch, lambda: world.password_changes.change(owner, change))

        with pytest.raises(InvalidCredentials):
            world.delete(thief)

        assert world.login(password=NEW)

    def test_frees_the_username_and_the_address(self, world: World) -> None:
        """An answer that the name is taken would show that there once was such an account."""
        ana = world.register()
        world.delete(world.identity(ana))
        with pytest.raises(UserNotFound):
            world.users.named("ana")

        again = world.register()

        assert again.user.email == "ana@example.org"
        assert world.users.named("ana").id == again.user.id != ana.user.id
        assert world.users.get(ana.user.id).username is None

    def test_is_mailed_once_to_the_verified_address(self, world: World) -> None:
        ana = world.verified()
        world.login()
        identity = world.identity(ana)
        world.revocation.down = True
        with pytest.raises(Unavailable):
            world.delete(identity)
        world.revocation.down = False
        world.delete(identity)

        (letter,) = world.mailed()

        assert (letter.to, letter.subject) == ("ana@example.org", "Your account was deleted")
        assert "@ana" in letter.text
        assert "ana@example.org" not in repr(world.tables)

    def test_one_without_a_verified_address_is_not_mailed(self, world: World) -> None:
        world.delete(world.identity(world.register()))

        assert world.mailed() == []

    def test_a_repeat_stays_counted_since_no_password_was_right(self, world: World) -> None:
        identity = world.identity(world.register())
        world.delete(identity)
        before = sum(n for key, n in world.throttle.taken.items() if "password" in key)

        world.delete(identity)

        after = sum(n for key, n in world.throttle.taken.items() if "password" in key)
        assert (before, after) == (0, 1)

    def test_a_repeat_completes_what_an_outage_cut_short(self, world: World) -> None:
        ana = world.register()
        identity = world.identity(ana)
        world.revocation.down = True
        with pytest.raises(Unavailable):
            world.delete(identity)
        world.revocation.down = False
        assert world.stands(ana)

        world.delete(identity)

        assert not world.stands(ana)
        assert world.sockets.closed == [(ana.user.id, ana.session_id)]
