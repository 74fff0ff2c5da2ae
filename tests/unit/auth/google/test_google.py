"""Signing in with Google: new accounts, linked ones, and those that must not be taken over."""

import hashlib
import itertools
import time
from typing import Any

import jwt
import pyotp
import pytest
from chalice import Chalice
from cryptography.hazmat.primitives.asymmetric import rsa

from chalicelib.auth.google.models import GoogleCredentials, GoogleProof
from chalicelib.auth.models import Credentials, PasswordProof
from chalicelib.auth.recovery.models import PasswordReset
from chalicelib.auth.second_factor.models import SecondFactorCode
from chalicelib.auth.sessions.models import SignedIn
from chalicelib.errors import (
    AccountSuspended,
    GoogleOff,
    GoogleTaken,
    IdTokenInvalid,
    InvalidCredentials,
    LinkRequired,
    RateLimited,
    SecondFactorRequired,
    Unavailable,
    UsernameRequired,
    UsernameTaken,
    ValidationFailed,
)
from chalicelib.identity import Identity
from tests.unit.auth.fakes import PHONE, auth_settings
from tests.unit.conftest import PASSWORD, World, call, make_world, token_in
from tests.unit.settings import rates

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
NONCE = "a-nonce-that-nobody-guesses"
ISSUER = "https://accounts.google.com"
NUMBERS = itertools.count()


class Visitor:
    """Somebody with a Google account."""

    def __init__(self, world: World, email: str, *, subject: str = "1", **claims: Any) -> None:
        public = jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
        world.google_keys["keys"] = [{**public, "kid": "g", "alg": "RS256", "use": "sig"}]
        self.world = world
        self.claims = {"email": email, "sub": subject, "name": "Ana B.", **claims}

    def token(self, nonce: str = NONCE, **changes: Any) -> str:
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": "web",
            "email_verified": True,
            "nonce": hashlib.sha256(nonce.encode()).hexdigest(),
            "iat": now,
            "exp": now + 600,
            "jti": str(next(NUMBERS)),
        }
        given = {**claims, **self.claims, **changes}
        return jwt.encode(given, KEY, algorithm="RS256", headers={"kid": "g"})

    def sign_in(self, token: str | None = None, nonce: str = NONCE, **more: Any) -> SignedIn:
        given = GoogleCredentials(id_token=token or self.token(), nonce=nonce, **more)
        return self.world.google.sign_in(given, PHONE)

    def link(self, by: SignedIn, password: str = PASSWORD) -> None:
        proof = GoogleProof(id_token=self.token(), nonce=NONCE, password=password)
        self.world.google.link(self.world.identity(by), proof)


def ana(world: World, email: str = "ana@gmail.com", **claims: Any) -> Visitor:
    return Visitor(world, email, **claims)


class TestAddressesThatLookAlike:
    def test_a_letter_that_becomes_another_in_lower_case_reaches_no_account(
        self, world: World
    ) -> None:
        """U+212A, the Kelvin sign, becomes k."""
        kim = world.verified("kim", "kim@gmail.com")

        with pytest.raises(IdTokenInvalid):
            ana(world, "\u212aim@gmail.com").sign_in()
        assert ana(world, "KIM@gmail.com").sign_in().user.id == kim.user.id

    def test_both_forms_of_a_domain_reach_one_account(self, world: World) -> None:
        kim = world.verified("kim", "kim@bücher.example")

        visitor = ana(world, "kim@BÜCHER.example", hd="bücher.example")

        assert visitor.sign_in().user.id == kim.user.id


class TestNewAccounts:
    def test_are_made_with_a_username_and_signed_in_to_again_without(self, world: World) -> None:
        made = ana(world).sign_in(username="ana")

        assert (made.user.username, made.user.display_name) == ("ana", "Ana B.")
        assert (made.user.email, made.user.email_verified) == ("ana@gmail.com", True)
        assert world.stands(made)
        assert ana(world).sign_in().user.id == made.user.id

    def test_need_an_address_that_mail_can_be_sent_to(self, world: World) -> None:
        with pytest.raises(IdTokenInvalid, match="cannot send mail"):
            ana(world, "änä@gmail.com").sign_in(username="ana")

    def test_an_account_that_is_linked_signs_in_whatever_its_address_is(self, world: World) -> None:
        made = ana(world).sign_in(username="ana")

        assert ana(world, "änä@gmail.com").sign_in().user.id == made.user.id

    def test_have_the_address_in_the_one_form_that_registering_gives_it(self, world: World) -> None:
        made = ana(world, "Ana@Bücher.example", hd="bücher.example").sign_in(username="ana")

        assert made.user.email == "ana@xn--bcher-kva.example"
        assert world.tables.users[made.user.id].profile.email_verified

    def test_need_a_username_that_is_free_and_the_token_may_come_again(self, world: World) -> None:
        world.register("bob")
        visitor = ana(world)
        token = visitor.token()

        with pytest.raises(UsernameRequired):
            visitor.sign_in(token)
        with pytest.raises(UsernameTaken):
            visitor.sign_in(token, username="bob")
        assert visitor.sign_in(token, username="ana").user.username == "ana"

    def test_have_a_password_that_nobody_knows_until_it_is_reset(self, world: World) -> None:
        made = ana(world).sign_in(username="ana")
        identity = world.identity(made)

        with pytest.raises(InvalidCredentials):
            world.login("ana", "guess")
        with pytest.raises(InvalidCredentials, match="never chose one"):
            world.delete(identity)
        assert world.users.me(made.user.id)
        reset(world, "ana@gmail.com")
        assert world.login().user.id == made.user.id

    @pytest.mark.parametrize("name", ["", "\u202e", "\n\n", "a\nb", 7])
    def test_have_their_username_for_a_name_where_google_has_none_that_will_do(
        self, world: World, name: object
    ) -> None:
        assert ana(world, name=name).sign_in(username="ana").user.display_name == "ana"

    @pytest.mark.parametrize("name", ["Parley", "Deleted user", "PARLEY Support"])
    def test_are_not_called_what_is_reserved_because_google_says_so(
        self, world: World, name: str
    ) -> None:
        assert ana(world, name=name).sign_in(username="ana").user.display_name == "ana"

    def test_names_from_google_are_cut_between_characters(self, world: World) -> None:
        made = ana(world, name="x" * 63 + "\U0001f44d\U0001f3fd").sign_in(username="ana")

        assert made.user.display_name == "x" * 63

    def test_may_choose_no_reserved_name_and_the_token_may_come_again(self, world: World) -> None:
        visitor = ana(world)
        token = visitor.token()

        for names in ({"username": "admin"}, {"username": "ana", "display_name": "Parley"}):
            with pytest.raises(ValidationFailed, match="not valid"):
                visitor.sign_in(token, **names)
        assert visitor.sign_in(token, username="ana").user.username == "ana"

    def test_prove_no_address_that_is_not_googles(self, world: World) -> None:
        made = Visitor(world, "ana@firm.example").sign_in(username="ana")

        assert not made.user.email_verified
        assert [letter.to for letter in world.mailed()] == ["ana@firm.example"]

    def test_are_limited_as_others_are(self, world: World) -> None:
        size = world.settings.limits["register"].buckets["address"].size
        for number in range(size):
            visitor = Visitor(world, f"a{number}@gmail.com", subject=f"s{number}")
            visitor.sign_in(username=f"user_{number}")

        with pytest.raises(RateLimited):
            Visitor(world, "b@gmail.com", subject="b").sign_in(username="bob")

    def test_wrong_tokens_keep_nobody_at_the_address_out(self) -> None:
        world = make_world(auth_settings(rate_limits=rates({"google.address": 2})))
        visitor = ana(world)
        visitor.sign_in(username="ana")
        for _ in range(2):
            with pytest.raises(IdTokenInvalid):
                visitor.sign_in("a.b.c")

        with pytest.raises(RateLimited):
            visitor.sign_in("a.b.c")
        assert visitor.sign_in()

    def test_right_ones_are_limited_by_account_before_they_are_used_up(self) -> None:
        world = make_world(auth_settings(rate_limits=rates({"sign-in.user": 1})))
        visitor = ana(world)
        made = visitor.sign_in(username="ana")
        visitor.sign_in()
        token, sessions = visitor.token(), len(world.tables.sessions)

        with pytest.raises(RateLimited):
            visitor.sign_in(token)

        assert len(world.tables.sessions) == sessions
        world.throttle.forgive(made.user.id, [], PHONE.address)
        assert visitor.sign_in(token)

    def test_two_first_sign_ins_at_once_make_one(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = ana(world).sign_in(username="ana")
        store = world.google._store
        find, first_look = store.find, iter([None])
        monkeypatch.setattr(store, "find", lambda subject: next(first_look, find(subject)))
        monkeypatch.setattr(store, "owner", lambda address: None)

        assert ana(world).sign_in(username="ana_2").user.id == made.user.id


class TestLinking:
    def test_a_verified_address_of_google_links_and_its_owner_is_mailed(self, world: World) -> None:
        made = world.verified("ana", "ana@gmail.com")

        assert ana(world).sign_in().user.id == made.user.id
        (letter,) = world.mailed()
        assert "A Google account was linked" in letter.text

    def test_an_address_of_an_organization_at_google_does_so_too(self, world: World) -> None:
        made = world.verified("ana", "ana@firm.example")

        visitor = Visitor(world, "ana@firm.example", hd="firm.example")
        assert visitor.sign_in().user.id == made.user.id

    def test_another_verified_address_does_not_link(self, world: World) -> None:
        """Its Google account may be older than the owner of its domain."""
        world.verified("ana", "ana@firm.example")

        with pytest.raises(LinkRequired):
            Visitor(world, "ana@firm.example").sign_in(username="other")

    def test_a_second_google_account_is_not_linked(self, world: World) -> None:
        """Addresses of organizations get new owners."""
        world.verified("ana", "ana@gmail.com")
        ana(world).sign_in()

        with pytest.raises(LinkRequired):
            ana(world, sub="2").sign_in()

    def test_an_account_that_only_claims_the_address_is_not_linked(self, world: World) -> None:
        thief = world.register("thief", "ana@gmail.com")

        made = ana(world).sign_in(username="ana")

        assert made.user.id != thief.user.id
        assert made.user.email_verified
        assert not world.users.me(thief.user.id).email_verified

    def test_a_linked_account_stays_so_when_its_address_changes(self, world: World) -> None:
        made = ana(world).sign_in(username="ana")
        bo = world.verified("bob", "bo@gmail.com")

        again = ana(world, email="bo@gmail.com").sign_in()

        assert again.user.id == made.user.id != bo.user.id

    def test_by_hand_needs_the_password(self, world: World) -> None:
        made = world.register("ana")
        visitor = Visitor(world, "else@firm.example")

        with pytest.raises(InvalidCredentials):
            visitor.link(made, "not this one")
        visitor.link(made)
        visitor.link(made)

        assert visitor.sign_in().user.id == made.user.id
        assert world.google.state(world.identity(made)).linked

    def test_a_google_account_signs_in_to_one_account_and_an_account_has_one(
        self, world: World
    ) -> None:
        one, other = world.register("ana"), world.register("bob")
        ana(world).link(one)

        with pytest.raises(GoogleTaken):
            ana(world).link(other)
        with pytest.raises(GoogleTaken):
            ana(world, sub="2").link(one)

    def test_ends_when_its_user_says_so(self, world: World) -> None:
        made = world.register("ana")
        ana(world).link(made)

        world.google.unlink(world.identity(made))
        world.google.unlink(world.identity(made))

        assert not world.google.state(world.identity(made)).linked
        with pytest.raises(UsernameRequired):
            ana(world).sign_in()

    def test_ends_with_the_account(self, world: World) -> None:
        made = world.register("ana")
        ana(world).link(made)
        world.delete(world.identity(made))

        assert not world.tables.google
        with pytest.raises(UsernameRequired):
            ana(world).sign_in()

    def test_ends_with_a_reset_by_mail(self, world: World) -> None:
        """Somebody may have registered with the address of another, and linked an account of
        their own, so as to come back once the address's owner has taken the account over."""
        thief = world.register("ana", "ana@firm.example")
        visitor = Visitor(world, "thief@gmail.com")
        visitor.link(thief)
        world.mailed()

        reset(world, "ana@firm.example")

        with pytest.raises(UsernameRequired):
            visitor.sign_in()

    def test_a_reset_that_proves_an_address_removes_an_older_second_factor(
        self, world: World
    ) -> None:
        thief = world.register("ana", "ana@firm.example")
        second_factor(world, world.identity(thief))
        world.mailed()

        reset(world, "ana@firm.example")
        assert world.login().user.id == thief.user.id

        second_factor(world, world.identity(world.login()))
        reset(world, "ana@firm.example")
        with pytest.raises(SecondFactorRequired):
            world.login()


class TestSigningIn:
    def test_asks_for_the_second_factor(self, world: World) -> None:
        made = ana(world).sign_in(username="ana")
        reset(world, "ana@gmail.com")
        secret = second_factor(world, world.identity(world.login()))
        token = ana(world).token()

        with pytest.raises(SecondFactorRequired):
            ana(world).sign_in(token)
        world.clock.go(seconds=60)
        code = pyotp.TOTP(secret).at(world.clock())
        assert ana(world).sign_in(token, second_factor=code).user.id == made.user.id

    def test_is_refused_to_the_suspended(self, world: World) -> None:
        made = ana(world).sign_in(username="ana")
        moderator = world.identity(world.staff("moderator"))
        world.admin.suspend(moderator, PHONE, made.user.id, "Spam")

        with pytest.raises(AccountSuspended):
            ana(world).sign_in()

    def test_gives_up_if_the_link_changes_each_time(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ana(world).sign_in(username="ana")
        monkeypatch.setattr(world.accounts, "open_by_google", lambda *_: None)

        with pytest.raises(Unavailable):
            ana(world).sign_in()

    def test_a_token_signs_in_once(self, world: World) -> None:
        visitor = ana(world)
        token = visitor.token()
        visitor.sign_in(token, username="ana")

        # The last character of a signature has bits that nobody reads.
        for replay in (token, token[:-1] + chr(ord(token[-1]) + 1)):
            with pytest.raises(IdTokenInvalid):
                visitor.sign_in(replay)

    @pytest.mark.parametrize("nonce", ["another-nonce-that-is-long", NONCE + "x"])
    def test_needs_the_nonce_that_the_token_was_asked_for_with(
        self, world: World, nonce: str
    ) -> None:
        with pytest.raises(IdTokenInvalid):
            ana(world).sign_in(nonce=nonce, username="ana")

    def test_the_digest_that_google_saw_is_no_nonce(self, world: World) -> None:
        digest = hashlib.sha256(NONCE.encode()).hexdigest()

        with pytest.raises(IdTokenInvalid):
            ana(world).sign_in(nonce=digest, username="ana")

    def test_is_off_where_no_client_is_set(self, world: World) -> None:
        identity = world.identity(world.register())
        visitor = ana(world)
        world.google._start = None

        for act in (
            visitor.sign_in,
            lambda: world.google.state(identity),
            lambda: world.google.unlink(identity),
            lambda: visitor.link(world.login()),
        ):
            with pytest.raises(GoogleOff):
                act()


class TestRoutes:
    def test_tell_where_to_sign_in(self, app: Chalice) -> None:
        assert call(app, "GET /v1/auth/google") == (
            200,
            {"client_id": "web", "authorization_endpoint": "https://google.example/auth"},
        )

    def test_sign_in_link_and_unlink(self, app: Chalice, world: World) -> None:
        body = {"id_token": ana(world).token(), "nonce": NONCE, "username": "ana"}
        status, made = call(app, "POST /v1/auth/google", body)
        assert status == 200
        by = SignedIn.model_validate(made)
        assert call(app, "GET /v1/users/me/google", by=by)[1]["linked"]
        assert call(app, "DELETE /v1/users/me/google", by=by) == (204, None)
        assert call(app, "GET /v1/users/me/google", by=by)[1] == {
            "linked": False,
            "linked_at": None,
        }
        proof = {"id_token": ana(world).token(), "nonce": NONCE, "password": PASSWORD}
        status, problem = call(app, "PUT /v1/users/me/google", proof, by=by)
        assert (status, problem["code"]) == (401, "invalid_credentials")

    @pytest.mark.parametrize(
        "change", [{"nonce": "short"}, {"id_token": "x" * 9000}, {"id_token": "a b"}, {"extra": 1}]
    )
    def test_limit_the_size_of_requests(
        self, app: Chalice, world: World, change: dict[str, Any]
    ) -> None:
        body = {"id_token": ana(world).token(), "nonce": NONCE, **change}

        status, problem = call(app, "POST /v1/auth/google", body)

        assert (status, problem["code"]) == (422, "validation_failed")


def reset(world: World, email: str) -> None:
    world.request_reset(email)
    letter = next(one for one in world.mailed() if "reset=" in one.text)
    world.recovery.reset(PasswordReset(token=token_in(letter), new_password=PASSWORD), PHONE)


def second_factor(world: World, identity: Identity) -> str:
    secret = world.second_factor.set_up(identity, PasswordProof(password=PASSWORD)).secret
    code = pyotp.TOTP(secret).at(world.clock())
    world.second_factor.confirm(identity, SecondFactorCode(code=code))
    return secret


def test_a_sign_in_shows_no_secret_of_itself() -> None:
    given = GoogleCredentials(id_token="the-token", nonce=NONCE, second_factor="123456")

    assert not any(text in repr(given) for text in ("the-token", NONCE, "123456"))
    assert "password" not in repr(Credentials(login="ana", password="password"))
