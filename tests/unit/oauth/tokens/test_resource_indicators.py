"""Resource indicators (RFC 8707): our API is the only one that tokens are for."""

from urllib.parse import parse_qs, urlsplit

import pytest

from chalicelib.oauth.authorize.answers import NoWayBack
from chalicelib.oauth.authorize.shown import Shown
from chalicelib.wire import Sent
from tests.unit.auth.fakes import PHONE
from tests.unit.oauth.conftest import ASKED, Provider

ISSUER = "http://127.0.0.1:8000"
OURS = [[ISSUER], [f"{ISSUER}/"], [ISSUER, f"{ISSUER}/"], [""]]
OTHERS = [
    ["https://other.example"],
    [ISSUER, "https://other.example"],
    ["https://other.example", ISSUER],
    [f"{ISSUER} https://other.example"],
    [f"{ISSUER}/#part"],
    [f"{ISSUER}0"],
    [f"{ISSUER}@other.example"],
    [f"{ISSUER}//"],
    ["/"],
    ["parley"],
]


def asked(provider: Provider, resource: list[str], *, by_form: bool = False) -> Shown:
    program = provider.program()
    query = {name: [value] for name, value in {**ASKED, "client_id": program.client_id}.items()}
    query["resource"] = resource
    if by_form:
        shown = provider.browsers.answer(Sent(form=query), PHONE)
        query = parse_qs(urlsplit(shown.headers["Location"]).query)
    return provider.browsers.ask(Sent(query=query), PHONE)


@pytest.mark.parametrize("by_form", [False, True])
@pytest.mark.parametrize("resource", OURS)
def test_our_api_is_accepted_any_number_of_times(
    provider: Provider, resource: list[str], by_form: bool
) -> None:
    assert "Sign in to continue" in asked(provider, resource, by_form=by_form).body


@pytest.mark.parametrize("by_form", [False, True])
@pytest.mark.parametrize("resource", OTHERS)
def test_another_api_is_an_invalid_target(
    provider: Provider, resource: list[str], by_form: bool
) -> None:
    location = asked(provider, resource, by_form=by_form).headers["Location"]

    assert parse_qs(urlsplit(location).query)["error"] == ["invalid_target"]


def test_too_many_are_refused(provider: Provider) -> None:
    with pytest.raises(NoWayBack):
        asked(provider, [ISSUER] * 300)


@pytest.mark.parametrize("resource", [*OURS, *OTHERS])
def test_the_token_endpoint_accepts_the_same(provider: Provider, resource: list[str]) -> None:
    program = provider.program(scopes=["openid", "chats.read", "push.send"])
    assert program.client_secret
    tokens = provider.granted(program, provider.world.register())
    for grant in (
        {"grant_type": ["client_credentials"]},
        {"grant_type": ["refresh_token"], "refresh_token": [tokens["refresh_token"]]},
    ):
        secret = {"client_id": [program.client_id], "client_secret": [program.client_secret]}
        sent = Sent(form={**secret, **grant, "resource": resource})

        outcome = provider.oauth.token(sent, PHONE)

        if resource in OURS:
            assert outcome.status == 200
        else:
            assert (outcome.status, outcome.error) == (400, "invalid_target")


def test_a_wrong_resource_does_not_use_up_a_code(provider: Provider) -> None:
    program = provider.program()
    code = provider.code(program, provider.world.register())

    assert provider.trade(program, code, resource="https://other.example").error == "invalid_target"
    assert provider.trade(program, code, resource=ISSUER).status == 200
