"""Which scopes a program gets, and which answers say so."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import ValidationError

from chalicelib.auth.sessions.models import SignedIn
from chalicelib.oauth.clients.registration import NewClient, RegisteredClient
from tests.unit.auth.fakes import PHONE
from tests.unit.oauth.conftest import BACK, Provider

REGISTERED = ["openid", "profile", "chats.read"]


@pytest.fixture
def program(provider: Provider) -> RegisteredClient:
    return provider.program(scopes=REGISTERED)


@pytest.fixture
def ana(provider: Provider) -> SignedIn:
    return provider.world.register()


def refreshed(provider: Provider, program: RegisteredClient, token: str, scope: str) -> Any:
    form = {"grant_type": "refresh_token", "refresh_token": token, "scope": scope}
    return provider.post("token", program, PHONE, **form)


class TestRequests:
    @pytest.mark.parametrize(
        ("asked", "granted"),
        [
            ("openid", "openid"),
            ("chats.read profile openid", "chats.read openid profile"),
            ("openid openid  chats.read openid", "chats.read openid"),
            (" openid ", "openid"),
            ("openid phone address groups", "openid"),
            ("openid https://x.example/auth/read", "openid"),
            ('openid "\\é', "openid"),
            ("openid email", "openid"),
            ("openid users.read chats.write", "openid"),
            ("openid account admin.users authorize", "openid"),
            ("openid tokens.introspect push.send", "openid"),
            ("openid\u00a0profile chats.read", "chats.read"),
            ("OPENID chats.read", "chats.read"),
            ("openid offline_access", "offline_access openid"),
            ("offline_access chats.read", "chats.read offline_access"),
        ],
    )
    def test_unknown_and_unregistered_scopes_are_left_out_and_the_answer_says_so(
        self,
        provider: Provider,
        program: RegisteredClient,
        ana: SignedIn,
        asked: str,
        granted: str,
    ) -> None:
        tokens = provider.granted(program, ana, scope=asked)

        assert tokens["scope"] == granted
        identity = provider.world.auth.authenticate(f"Bearer {tokens['access_token']}")
        assert identity.scopes == set(granted.split())
        assert tokens["refresh_token"]

    @pytest.mark.parametrize(
        "asked",
        [
            *("", " ", "phone", "email", "account", "admin.users", "authorize", "OpenID"),
            *("tokens.introspect", "offline_access", "offline_access phone", "openid,chats.read"),
        ],
    )
    def test_a_request_without_any_allowed_scope_is_refused(
        self, provider: Provider, program: RegisteredClient, asked: str
    ) -> None:
        shown = provider.ask(program, {}, scope=asked)

        query = parse_qs(urlsplit(shown.headers["Location"]).query)
        assert query["error"] == ["invalid_scope"]

    def test_a_service_gets_no_scope_that_it_is_not_registered_for(
        self, provider: Provider
    ) -> None:
        service = provider.program(redirect_uris=[], scopes=["push.send"])
        form = {"grant_type": "client_credentials"}

        for scope in ("users.validate", "push.send phone", "openid", "offline_access"):
            assert provider.post("token", service, PHONE, **form, scope=scope).error == (
                "invalid_scope"
            )
        answer = provider.post("token", service, PHONE, **form, scope="push.send push.send").body
        assert isinstance(answer, dict)
        assert answer["scope"] == "push.send"


class TestRefresh:
    def test_can_repeat_what_the_first_request_asked_for(
        self, provider: Provider, program: RegisteredClient, ana: SignedIn
    ) -> None:
        asked = "openid phone users.read offline_access chats.read"
        tokens = provider.granted(program, ana, scope=asked)

        outcome = refreshed(provider, program, tokens["refresh_token"], asked)

        assert outcome.body["scope"] == tokens["scope"] == "chats.read offline_access openid"

    @pytest.mark.parametrize("scope", ["openid profile", "profile", "phone", "offline_access"])
    def test_is_refused_scopes_that_its_user_did_not_allow_and_unknown_ones(
        self, provider: Provider, program: RegisteredClient, ana: SignedIn, scope: str
    ) -> None:
        tokens = provider.granted(program, ana, scope="openid chats.read offline_access")

        assert refreshed(provider, program, tokens["refresh_token"], scope).error == "invalid_scope"
        again = refreshed(provider, program, tokens["refresh_token"], "openid")
        assert again.body["scope"] == "openid"


class TestRegistration:
    def test_offline_access_may_be_registered(self) -> None:
        good: dict[str, Any] = {"name": "Board", "confidential": True, "redirect_uris": [BACK]}
        assert NewClient(**good, scopes=["openid", "offline_access"]).scopes
        with pytest.raises(ValidationError):
            NewClient(**good, scopes=["offline_access"])
        with pytest.raises(ValidationError):
            NewClient(**good, scopes=["push.send"])
