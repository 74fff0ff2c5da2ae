"""PKCE: which clients may send a nonce instead, and that no code works both ways."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from authlib.oauth2.rfc6749 import OAuth2Error
from pydantic import ValidationError

from chalicelib.oauth.clients.registration import NewClient, RegisteredClient
from chalicelib.oauth.tokens.pkce import is_challenge, proves
from tests.unit.oauth.conftest import BACK, CHALLENGE, VERIFIER, Provider

WITHOUT = {"code_challenge": "", "code_challenge_method": ""}
GOOD: dict[str, Any] = {
    "name": "Board",
    "redirect_uris": [BACK],
    "scopes": ["openid", "chats.read"],
    "confidential": True,
    "require_pkce": False,
}


def test_only_its_verifier_proves_a_challenge() -> None:
    # RFC 7636, appendix B
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

    assert is_challenge(challenge)
    assert proves(verifier, challenge)
    assert not proves(challenge, challenge)
    for bad in ("", challenge[:-1], challenge + "=", challenge + "\n", challenge[:-1] + "é"):
        assert not is_challenge(bad)


def test_pkce_is_required_unless_an_admin_says_otherwise() -> None:
    assert NewClient(**{**GOOD, "require_pkce": True}).require_pkce
    assert NewClient(**{name: GOOD[name] for name in GOOD if name != "require_pkce"}).require_pkce
    assert not NewClient(**GOOD).require_pkce


@pytest.mark.parametrize(
    ("changes", "why"),
    [({"confidential": False}, "public"), ({"scopes": ["chats.read"]}, "openid")],
)
def test_a_public_client_and_one_without_a_nonce_must_use_it(
    changes: dict[str, Any], why: str
) -> None:
    with pytest.raises(ValidationError, match=why):
        NewClient(**{**GOOD, **changes})


@pytest.fixture
def lax(provider: Provider) -> RegisteredClient:
    """A confidential client that need not use PKCE."""
    return provider.program(require_pkce=False)


def refusal(provider: Provider, program: RegisteredClient, **changes: str) -> str | None:
    """The error that a request is sent back with; None if the user is asked."""
    shown = provider.ask(program, {}, **changes)
    query = parse_qs(urlsplit(shown.headers.get("Location", "")).query)
    return query.get("error", [None])[0]


class TestRequests:
    def test_a_nonce_replaces_a_challenge(self, provider: Provider, lax: RegisteredClient) -> None:
        assert refusal(provider, lax, **WITHOUT, nonce="n") is None
        assert refusal(provider, lax) is None

    @pytest.mark.parametrize(
        "changes",
        [
            WITHOUT,
            {**WITHOUT, "nonce": "n", "scope": "chats.read"},
            {"code_challenge": "", "nonce": "n"},
            {"code_challenge_method": "", "nonce": "n"},
            {"code_challenge_method": "plain", "nonce": "n"},
            {"code_challenge": "", "code_challenge_method": "plain", "nonce": "n"},
            {"code_challenge": VERIFIER[:-1], "nonce": "n"},
        ],
    )
    def test_a_request_with_neither_is_refused(
        self, provider: Provider, lax: RegisteredClient, changes: dict[str, str]
    ) -> None:
        assert refusal(provider, lax, **changes) == "invalid_request"

    def test_every_other_client_needs_a_challenge(self, provider: Provider) -> None:
        for program in (provider.program(), provider.program(confidential=False)):
            assert refusal(provider, program, **WITHOUT, nonce="n") == "invalid_request"


class TestCodes:
    """RFC 9700, section 4.8.2: PKCE can be neither removed from a code nor added to it."""

    def test_a_code_without_a_challenge_is_refused_with_a_verifier(
        self, provider: Provider, lax: RegisteredClient
    ) -> None:
        ana = provider.world.register()
        code = provider.code(lax, ana, **WITHOUT, nonce="n")
        assert provider.trade(lax, code, code_verifier="").status == 200

        code = provider.code(lax, ana, **WITHOUT, nonce="n")
        assert provider.trade(lax, code).error == "invalid_request"
        assert provider.trade(lax, code, code_verifier="").error == "invalid_grant"

    @pytest.mark.parametrize("verifier", ["", "w" * 43, CHALLENGE])
    def test_a_code_with_a_challenge_needs_its_verifier(
        self, provider: Provider, lax: RegisteredClient, verifier: str
    ) -> None:
        code = provider.code(lax, provider.world.register(), nonce="n")

        outcome = provider.trade(lax, code, code_verifier=verifier)

        assert outcome.error in ("invalid_request", "invalid_grant")
        assert provider.trade(lax, code).error == "invalid_grant"

    def test_a_second_use_of_a_code_without_a_challenge_ends_the_session(
        self, provider: Provider, lax: RegisteredClient
    ) -> None:
        ana = provider.world.register()
        code = provider.code(lax, ana, **WITHOUT, nonce="n")
        tokens = provider.trade(lax, code, code_verifier="").body
        assert isinstance(tokens, dict)

        assert provider.trade(lax, code, code_verifier="").error == "invalid_grant"

        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        assert provider.post("token", lax, **form).error == "invalid_grant"

    def test_another_clients_use_of_a_code_ends_nothing(
        self, provider: Provider, lax: RegisteredClient
    ) -> None:
        ana = provider.world.register()
        code = provider.code(lax, ana, **WITHOUT, nonce="n")
        wrong = lax.model_copy(update={"client_secret": "wrong"})

        assert provider.trade(wrong, code, code_verifier="").error == "invalid_client"
        assert provider.trade(lax, code, code_verifier="").status == 200

    def test_a_nonce_is_in_the_id_token_and_has_a_maximum_length(
        self, provider: Provider, lax: RegisteredClient
    ) -> None:
        ana, nonce = provider.world.register(), "n" * 512
        code = provider.code(lax, ana, **WITHOUT, nonce=nonce)
        tokens = provider.trade(lax, code, code_verifier="").body

        assert isinstance(tokens, dict)
        claims = provider.world.auth._tokens().id_claims(tokens["id_token"])
        assert claims["nonce"] == nonce
        with pytest.raises(OAuth2Error):
            provider.code(lax, ana, nonce="n" * 513)
