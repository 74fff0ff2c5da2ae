"""ID tokens: what they say, and that a refresh brings a new one (OpenID Connect Core, 12.2)."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest

from chalicelib.auth.sessions.models import SignedIn
from chalicelib.auth.sessions.tokens import MAX_LENGTH
from chalicelib.identity import Identity
from chalicelib.oauth.clients.registration import RegisteredClient
from chalicelib.oauth.parameters import MAX_PARAMETER
from chalicelib.oauth.tokens.id_tokens import half_hash
from chalicelib.oauth.tokens.pkce import MAX_NONCE
from chalicelib.users.models import ProfileChanges
from tests.unit.auth.fakes import PHONE
from tests.unit.oauth.conftest import Provider, make_provider

SCOPE = "openid profile email chats.read"
SCOPES = SCOPE.split()


def said(tokens: dict[str, Any]) -> dict[str, Any]:
    """The claims of the ID token in an answer."""
    claims: dict[str, Any] = jwt.decode(tokens["id_token"], options={"verify_signature": False})
    return claims


def refreshed(provider: Provider, program: RegisteredClient, token: str, **more: str) -> Any:
    form = {"grant_type": "refresh_token", "refresh_token": token, **more}
    outcome = provider.post("token", program, PHONE, **form)
    assert outcome.status == 200, outcome
    return outcome.body


@pytest.fixture
def ana(provider: Provider) -> SignedIn:
    return provider.world.register()


@pytest.fixture
def program(provider: Provider) -> RegisteredClient:
    return provider.program(scopes=SCOPES)


class TestRefresh:
    def test_a_refresh_gives_a_new_one_about_the_same_sign_in(
        self, provider: Provider, program: RegisteredClient, ana: SignedIn
    ) -> None:
        first = provider.granted(program, ana, scope=SCOPE, nonce="n")
        before = int(time.time())

        second = refreshed(provider, program, first["refresh_token"])

        old, new = said(first), said(second)
        for name in ("iss", "aud", "sub", "sid", "auth_time"):
            assert new[name] == old[name]
        assert (new["sub"], new["aud"], new["auth_time"]) == (ana.user.id, program.client_id, 1)
        assert new["iat"] >= before
        assert new["exp"] == new["iat"] + provider.world.settings.access_token_seconds
        assert new["at_hash"] == half_hash(second["access_token"])
        assert "nonce" not in new
        assert provider.world.auth._tokens().id_claims(second["id_token"])["sid"] == old["sid"]
        third = refreshed(provider, program, second["refresh_token"])
        assert said(third)["auth_time"] == 1

    def test_a_refresh_without_openid_gives_none(
        self, provider: Provider, program: RegisteredClient, ana: SignedIn
    ) -> None:
        first = provider.granted(program, ana, scope=SCOPE)

        narrow = refreshed(provider, program, first["refresh_token"], scope="chats.read")
        whole = refreshed(provider, program, narrow["refresh_token"])

        assert "id_token" not in narrow
        assert "id_token" in whole

    def test_there_is_none_without_the_scope_openid(
        self, provider: Provider, program: RegisteredClient, ana: SignedIn
    ) -> None:
        first = provider.granted(program, ana, scope="chats.read")

        assert "id_token" not in first
        assert "id_token" not in refreshed(provider, program, first["refresh_token"])

    def test_one_of_an_older_session_has_no_auth_time(
        self, provider: Provider, program: RegisteredClient, ana: SignedIn
    ) -> None:
        first = provider.granted(program, ana, scope=SCOPE)
        sessions = provider.world.tables.sessions
        session_id = said(first)["sid"]
        sessions[session_id] = replace(sessions[session_id], auth_time=None)

        new = said(refreshed(provider, program, first["refresh_token"]))

        assert "auth_time" not in new
        assert new["sid"] == session_id

    def test_the_session_stores_when_its_user_signed_in(
        self, provider: Provider, program: RegisteredClient, ana: SignedIn
    ) -> None:
        session_id = said(provider.granted(program, ana))["sid"]

        kept = provider.world.tables.sessions[session_id].auth_time
        assert kept == datetime.fromtimestamp(1, UTC)
        assert provider.world.tables.sessions[ana.session_id].auth_time is None


class TestClaims:
    """A client may be registered to get the claims of userinfo in the ID token."""

    @pytest.mark.parametrize(
        ("scope", "names"),
        [
            ("openid", set()),
            ("openid profile", {"name", "preferred_username"}),
            ("openid email", {"email", "email_verified"}),
            (SCOPE, {"name", "preferred_username", "email", "email_verified"}),
        ],
    )
    def test_are_the_same_as_those_of_userinfo(
        self, provider: Provider, ana: SignedIn, scope: str, names: set[str]
    ) -> None:
        program = provider.program(scopes=SCOPES, claims_in_id_token=True)
        first = provider.granted(program, ana, scope=scope)
        second = refreshed(provider, program, first["refresh_token"])
        identity = provider.world.auth.authenticate(f"Bearer {second['access_token']}")
        info = provider.oauth.userinfo(identity)

        for tokens in (first, second):
            claims = said(tokens)
            assert {name: claims[name] for name in ("sub", *names)} == info
            known = {"name", "preferred_username", "picture", "email", "email_verified"}
            assert known & claims.keys() == names

    def test_follow_what_the_user_changes(self, provider: Provider, ana: SignedIn) -> None:
        program = provider.program(scopes=SCOPES, claims_in_id_token=True)
        first = provider.granted(program, ana, scope=SCOPE)
        provider.world.users.update(ana.user.id, ProfileChanges(display_name="Änne"))

        assert said(refreshed(provider, program, first["refresh_token"]))["name"] == "Änne"

    def test_are_limited_to_the_scopes_of_a_refresh(
        self, provider: Provider, ana: SignedIn
    ) -> None:
        program = provider.program(scopes=SCOPES, claims_in_id_token=True)
        first = provider.granted(program, ana, scope=SCOPE)

        claims = said(refreshed(provider, program, first["refresh_token"], scope="openid profile"))

        assert claims["name"]
        assert "email" not in claims

    def test_are_missing_for_other_clients(
        self, provider: Provider, program: RegisteredClient, ana: SignedIn
    ) -> None:
        assert not {"name", "email"} & said(provider.granted(program, ana, scope=SCOPE)).keys()

    def test_are_refused_for_a_deleted_user(self, provider: Provider, ana: SignedIn) -> None:
        program = provider.program(scopes=SCOPES, claims_in_id_token=True)
        tokens = provider.granted(program, ana, scope=SCOPE)
        code = provider.code(program, ana, scope=SCOPE)
        provider.world.delete(provider.world.identity(ana))

        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        assert provider.post("token", program, **form).error == "invalid_grant"
        assert provider.trade(program, code).error == "invalid_grant"


@pytest.mark.parametrize("nonce", ['"' * MAX_NONCE, "n" * MAX_NONCE])
def test_the_longest_one_is_accepted_as_a_hint(nonce: str) -> None:
    provider = make_provider(issuer=f"https://{'a' * 63}.{'b' * 63}.example.org/stage")
    world = provider.world
    ana = world.register("a" * 32, f"{'a' * 64}@{'b' * 60}.{'c' * 60}.{'d' * 55}.example.org")
    world.users.update(ana.user.id, ProfileChanges(display_name="😀" * 64))
    program = provider.program(scopes=SCOPES, claims_in_id_token=True)

    token = provider.granted(program, ana, scope=SCOPE, nonce=nonce)["id_token"]

    assert len(token) <= min(MAX_LENGTH, MAX_PARAMETER)
    assert world.auth._tokens().id_claims(token)["nonce"] == nonce


@pytest.mark.parametrize("nonce", ["é", "\x00", "a\n", "n" * (MAX_NONCE + 1)])
def test_a_nonce_that_would_make_it_longer_is_refused(nonce: str) -> None:
    provider = make_provider()
    shown = provider.ask(provider.program(), {}, nonce=nonce)

    assert "error=invalid_request&" in shown.headers["Location"]


def test_userinfo_contains_nothing_without_its_scopes(provider: Provider, ana: SignedIn) -> None:
    nobody = Identity(user_id=ana.user.id, session_id=ana.session_id, scopes=frozenset({"openid"}))

    assert provider.oauth.userinfo(nobody) == {"sub": ana.user.id}
