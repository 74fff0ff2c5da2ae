"""Another e-mail address: asked for with the password, proven by its mailbox, told to the old."""

from typing import Any

import pytest
from chalice import Chalice

from chalicelib.auth.models import PasswordChange
from chalicelib.auth.recovery.email_changes import MARK
from chalicelib.auth.recovery.models import EmailChange, PasswordReset
from chalicelib.auth.sessions.models import SignedIn
from chalicelib.errors import (
    InvalidCredentials,
    LinkInvalid,
    RateLimited,
    SecondFactorRequired,
    Unavailable,
)
from chalicelib.mail.models import Letter
from tests.unit.auth.fakes import PHONE, auth_settings
from tests.unit.auth.passkeys.test_passkeys import Holder
from tests.unit.conftest import ME, PASSWORD, World, call, make_world, token_in
from tests.unit.settings import rates

OLD, NEW = "ana@example.org", "anna@example.net"


def ask(world: World, by: SignedIn, email: str = NEW, **proof: Any) -> None:
    change = EmailChange.model_validate({"email": email, "password": PASSWORD, **proof})
    world.email_changes.ask(world.identity(by), change)


def follow(world: World, by: SignedIn, letter: Letter) -> None:
    world.recovery.verify(world.identity(by), token_in(letter))


def letters(world: World) -> dict[str, Letter]:
    """What is sent now, by whom it is to."""
    return {letter.to: letter for letter in world.mailed()}


def move(world: World, by: SignedIn, email: str = NEW) -> None:
    ask(world, by, email)
    follow(world, by, letters(world)[email])


@pytest.fixture
def ana(world: World) -> SignedIn:
    return world.verified("ana", OLD)


class TestAsking:
    def test_changes_nothing_until_the_link_is_followed(self, world: World, ana: SignedIn) -> None:
        ask(world, ana)

        user = world.users.me(ana.user.id)
        assert (user.email, user.email_verified, user.pending_email) == (OLD, True, NEW)
        assert world.login(OLD)
        with pytest.raises(InvalidCredentials):
            world.login(NEW)
        world.mailed()
        world.request_reset(NEW)
        assert world.mailed() == []

    def test_needs_the_password(self, world: World, ana: SignedIn) -> None:
        with pytest.raises(InvalidCredentials, match="password is wrong"):
            ask(world, ana, password="wrong")

        assert world.users.me(ana.user.id).pending_email is None
        assert world.mailed() == []

    def test_needs_the_second_factor_where_one_is_on(self, world: World) -> None:
        holder = Holder(world)
        holder.protect()
        (signed_in,) = [world.register("bob")]  # another account, to which nothing of this happens
        change = EmailChange(email=NEW, password=PASSWORD)

        with pytest.raises(SecondFactorRequired) as refused:
            world.email_changes.ask(holder.identity, change)
        answer = holder.device.answer(refused.value.details["passkey"])
        proven = EmailChange.model_validate({"email": NEW, "password": PASSWORD, "passkey": answer})
        world.email_changes.ask(holder.identity, proven)

        assert world.users.me(holder.identity.user_id).pending_email == NEW
        assert world.users.me(signed_in.user.id).pending_email is None

    def test_tells_both_mailboxes(self, world: World, ana: SignedIn) -> None:
        ask(world, ana)

        told = letters(world)
        assert told.keys() == {OLD, NEW}
        assert f"/#verify={MARK}" in told[NEW].text
        assert "@ana" in told[NEW].text
        assert "Another e-mail address was asked for" in told[OLD].text
        assert "Forgot password" in told[OLD].text
        assert NEW not in told[OLD].text
        assert "#" not in told[OLD].text

    def test_an_address_that_was_never_verified_is_told_nothing(self, world: World) -> None:
        """It may be somebody else's."""
        ana = world.register("ana", OLD)
        world.mailed()
        ask(world, ana)

        assert letters(world).keys() == {NEW}

    def test_a_newer_change_replaces_the_older(self, world: World, ana: SignedIn) -> None:
        ask(world, ana)
        older = letters(world)[NEW]
        ask(world, ana, "third@example.org")
        newer = letters(world)["third@example.org"]

        with pytest.raises(LinkInvalid):
            follow(world, ana, older)
        follow(world, ana, newer)
        assert world.users.me(ana.user.id).email == "third@example.org"

    def test_a_repeat_voids_no_link_and_mails_no_other(self, world: World, ana: SignedIn) -> None:
        ask(world, ana)
        first = letters(world)[NEW]
        world.clock.go(minutes=5)
        ask(world, ana)
        assert NEW not in letters(world)

        follow(world, ana, first)

    def test_the_current_address_ends_the_change(self, world: World, ana: SignedIn) -> None:
        ask(world, ana)
        letter = letters(world)[NEW]
        ask(world, ana, OLD.upper())

        assert world.users.me(ana.user.id).pending_email is None
        assert letters(world) == {}
        with pytest.raises(LinkInvalid):
            follow(world, ana, letter)

    def test_a_queued_mail_of_an_older_change_is_not_sent(
        self, world: World, ana: SignedIn
    ) -> None:
        ask(world, ana)
        ask(world, ana, "third@example.org")

        assert letters(world).keys() == {OLD, "third@example.org"}

    def test_the_password_may_be_rehashed_meanwhile(self, world: World, ana: SignedIn) -> None:
        store, real = world.email_changes._store, world.email_changes._store.ask
        raced: list[bool] = []

        def after_a_rehash(*given: Any, **named: Any) -> bool:
            if not raced:
                raced.append(True)
                world.tables.passwords[ana.user.id] = world.passwords.hash(PASSWORD)
            return real(*given, **named)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(store, "ask", after_a_rehash)
            ask(world, ana)

        assert world.users.me(ana.user.id).pending_email == NEW

    def test_a_password_that_was_changed_meanwhile_asks_for_nothing(
        self, world: World, ana: SignedIn
    ) -> None:
        store, real = world.email_changes._store, world.email_changes._store.ask

        def after_a_change(*given: Any, **named: Any) -> bool:
            world.tables.passwords[ana.user.id] = world.passwords.hash("another horse")
            return real(*given, **named)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(store, "ask", after_a_change)
            with pytest.raises(InvalidCredentials):
                ask(world, ana)

        assert world.users.me(ana.user.id).pending_email is None


class TestAnAddressOfSomebodyElse:
    def test_is_answered_the_same_and_only_its_owner_is_told(
        self, world: World, ana: SignedIn
    ) -> None:
        world.verified("bob", NEW)
        ask(world, ana)

        told = letters(world)
        assert world.users.me(ana.user.id).pending_email == NEW
        assert "#verify" not in told[NEW].text
        assert "@ana" in told[NEW].text
        assert "stays with yours" in told[NEW].text

    def test_that_was_only_claimed_goes_to_the_account_that_verifies_it(
        self, world: World, ana: SignedIn
    ) -> None:
        eve = world.register("eve", NEW)
        (for_eve,) = world.mailed()
        move(world, ana)

        assert world.users.me(ana.user.id).email == NEW
        with pytest.raises(LinkInvalid):
            follow(world, eve, for_eve)
        assert world.login(NEW).user.id == ana.user.id

    def test_that_another_account_verified_stays_there(self, world: World, ana: SignedIn) -> None:
        ask(world, ana)
        letter = letters(world)[NEW]
        bo = world.register("bob", NEW)
        follow(world, bo, letters(world)[NEW])

        with pytest.raises(LinkInvalid):
            follow(world, ana, letter)
        assert world.users.me(ana.user.id).email == OLD
        assert world.login(NEW).user.id == bo.user.id

    def test_is_not_flooded(self, world: World) -> None:
        """Strangers share five mails in 15 minutes, however many accounts they have."""
        people = [world.register(f"eve_{n}", f"eve_{n}@example.org") for n in range(8)]
        world.mailed()
        for one in people:
            ask(world, one)

        assert len([letter for letter in world.mailed() if letter.to == NEW]) == 5


class TestFollowingTheLink:
    def test_moves_the_account(self, world: World, ana: SignedIn) -> None:
        move(world, ana)

        user = world.users.me(ana.user.id)
        assert (user.email, user.email_verified, user.pending_email) == (NEW, True, None)
        assert world.login(NEW).user.id == ana.user.id
        with pytest.raises(InvalidCredentials):
            world.login(OLD)

    def test_is_told_to_both_mailboxes(self, world: World, ana: SignedIn) -> None:
        move(world, ana)

        told = letters(world)
        assert "took the place of this one" in told[OLD].text
        assert "suspend the account" in told[OLD].text
        assert "Forgot password" not in told[OLD].text
        assert NEW not in told[OLD].text
        assert "was verified" in told[NEW].text

    def test_is_told_to_open_sockets(self, world: World, ana: SignedIn) -> None:
        move(world, ana, "ana@xn--bcher-kva.example")

        user_ids, event = world.sockets.told[-1]
        assert (list(user_ids), event.kind.name) == ([ana.user.id], "account.email_changed")
        assert b"b\xc3\xbccher" in event.to_wire()
        assert event.kind.first_party

    def test_works_where_no_socket_can_be_told(self, world: World, ana: SignedIn) -> None:
        world.sockets.down = True
        move(world, ana)

        assert world.users.me(ana.user.id).email == NEW

    def test_can_be_repeated(self, world: World, ana: SignedIn) -> None:
        ask(world, ana)
        letter = letters(world)[NEW]
        for _ in range(3):
            follow(world, ana, letter)

        assert [one.subject for one in world.mailed()].count("Your e-mail address was changed") == 1

    def test_needs_a_session_of_the_account(self, world: World, ana: SignedIn) -> None:
        """The owner of a mailbox must not give it to a stranger's account out of curiosity."""
        eve = world.register("eve", "eve@example.org")
        ask(world, ana)
        told = letters(world)

        with pytest.raises(LinkInvalid):
            follow(world, eve, told[NEW])
        assert world.users.me(ana.user.id).email == OLD

    def test_is_good_for_a_day(self, world: World, ana: SignedIn) -> None:
        ask(world, ana)
        letter = letters(world)[NEW]
        world.clock.go(hours=25)

        again = world.login()
        with pytest.raises(LinkInvalid):
            follow(world, again, letter)
        assert world.users.me(ana.user.id).pending_email is None
        assert world.recovery.purge() >= 1
        assert world.tables.changes == {}

    def test_made_up_links_are_invalid(self, world: World, ana: SignedIn) -> None:
        ask(world, ana)
        for token in (MARK, MARK + "x" * 43, MARK + "0"):
            with pytest.raises(LinkInvalid):
                world.recovery.verify(world.identity(ana), token)

    def test_verifies_an_address_that_takes_the_place_of_a_mistyped_one(self, world: World) -> None:
        ana = world.register("ana", "ana@exmaple.org")
        world.mailed()
        move(world, ana, OLD)

        user = world.users.me(ana.user.id)
        assert (user.email, user.email_verified) == (OLD, True)

    def test_the_old_address_is_free(self, world: World, ana: SignedIn) -> None:
        move(world, ana)
        world.mailed()  # what tells of it
        bo = world.register("bob", OLD)
        follow(world, bo, letters(world)[OLD])

        assert world.login(OLD).user.id == bo.user.id

    def test_ends_links_of_the_old_address(self, world: World, ana: SignedIn) -> None:
        world.request_reset(OLD)
        (reset,) = world.mailed()
        move(world, ana)

        with pytest.raises(LinkInvalid):
            world.recovery.reset(
                PasswordReset(token=token_in(reset), new_password="battery staple"), PHONE
            )
        assert world.login()

    def test_a_reset_that_waits_to_be_mailed_goes_to_nobody(
        self, world: World, ana: SignedIn
    ) -> None:
        ask(world, ana)
        letter = letters(world)[NEW]
        world.request_reset(OLD)
        follow(world, ana, letter)

        assert not any("#reset" in one.text for one in world.mailed())

    def test_forgets_the_devices_that_were_known_by_the_old_address(
        self, world: World, ana: SignedIn
    ) -> None:
        world.accounts.recognise(world.users.me(ana.user.id), "k" * 22)
        known = set(world.throttle.known)
        move(world, ana)

        assert len(known - set(world.throttle.known)) == 1
        assert world.throttle.knows(ana.user.id, "k" * 22)

    def test_changes_nothing_while_redis_is_down(self, world: World, ana: SignedIn) -> None:
        ask(world, ana)
        letter = letters(world)[NEW]
        cache: Any = world.users._cache
        cache.sick = True
        with pytest.raises(Unavailable):
            follow(world, ana, letter)
        assert world.users.me(ana.user.id).email == OLD
        cache.sick = False

        follow(world, ana, letter)
        assert world.users.me(ana.user.id).email == NEW


class TestWhatEndsIt:
    def test_a_changed_password(self, world: World, ana: SignedIn) -> None:
        ask(world, ana)
        letter = letters(world)[NEW]
        world.password_changes.change(
            world.identity(ana),
            PasswordChange(current_password=PASSWORD, new_password="battery staple"),
        )

        assert world.users.me(ana.user.id).pending_email is None
        with pytest.raises(LinkInvalid):
            follow(world, ana, letter)

    def test_a_reset_by_the_old_address(self, world: World, ana: SignedIn) -> None:
        """That is what the notice says."""
        ask(world, ana)
        letter = letters(world)[NEW]
        world.request_reset(OLD)
        (reset,) = world.mailed()
        world.recovery.reset(
            PasswordReset(token=token_in(reset), new_password="battery staple"), PHONE
        )

        thief = world.login(password="battery staple")
        with pytest.raises(LinkInvalid):
            follow(world, thief, letter)
        assert world.users.me(ana.user.id).email == OLD

    def test_the_end_of_a_session_does_not_end_it(self, world: World, ana: SignedIn) -> None:
        """It is the account's. Following the link needs a session in any case."""
        ask(world, ana)
        letter = letters(world)[NEW]
        world.auth.logout(world.identity(ana))

        follow(world, world.login(), letter)
        assert world.users.me(ana.user.id).email == NEW

    def test_the_deletion_of_the_account(self, world: World, ana: SignedIn) -> None:
        ask(world, ana)
        world.delete(world.identity(ana))

        assert world.tables.changes == {}
        assert ("change", ana.user.id) not in world.tables.mails
        assert NEW not in letters(world)


class TestRoutes:
    ROUTE = f"POST {ME}/email"

    def test_all_the_way(self, app: Chalice, world: World, ana: SignedIn) -> None:
        body = {"email": "Anna@Example.NET ", "password": PASSWORD}
        assert call(app, self.ROUTE, body, by=ana) == (204, None)
        assert call(app, f"GET {ME}", by=ana)[1]["pending_email"] == NEW
        token = token_in(letters(world)[NEW])
        for _ in range(2):
            answer = call(app, "POST /v1/auth/email/verify", {"token": token}, by=ana)
            assert answer == (204, None)

        me = call(app, f"GET {ME}", by=ana)[1]
        assert (me["email"], me["email_verified"], me["pending_email"]) == (NEW, True, None)

    def test_what_is_wrong_is_said(self, app: Chalice, world: World, ana: SignedIn) -> None:
        for body, expected in (
            ({"email": NEW, "password": "wrong"}, (401, "invalid_credentials")),
            ({"email": "ana", "password": PASSWORD}, (422, "validation_failed")),
            ({"email": NEW}, (422, "validation_failed")),
            ({"password": PASSWORD}, (422, "validation_failed")),
            ({"email": None, "password": PASSWORD}, (422, "validation_failed")),
        ):
            status, answer = call(app, self.ROUTE, body, by=ana)
            assert (status, answer["code"]) == expected
        assert world.users.me(ana.user.id).pending_email is None

    def test_others_never_see_it(self, app: Chalice, world: World, ana: SignedIn) -> None:
        ask(world, ana)
        bo = world.register("bob")

        _, seen = call(app, "GET /v1/users/{user_id}", by=bo, user_id=ana.user.id)

        assert NEW not in str(seen)
        assert "email" not in seen


def test_wrong_passwords_are_limited() -> None:
    world = make_world(auth_settings(rate_limits=rates({"password.user": 2})))
    ana = world.verified("ana", OLD)
    for _ in range(2):
        with pytest.raises(InvalidCredentials):
            ask(world, ana, password="wrong")

    with pytest.raises(RateLimited):
        ask(world, ana)
