"""What a program asks of the sign-in page, and which requests are refused."""

from typing import Any

import pytest
from authlib.oauth2.rfc6749 import InvalidRequestError

from chalicelib.errors import Unauthorized
from chalicelib.oauth.authorize.prompts import Prompt, prompt_of
from chalicelib.users.models import Profile
from chalicelib.wire import now

ANA = Profile(
    id="ana-id",
    username="ana",
    display_name="Ana",
    about="",
    avatar_url=None,
    email="ana@example.org",
    email_verified=True,
    push_previews=True,
    created_at=now(),
)
ABROAD = ANA.model_copy(update={"email": "ana@xn--bcher-kva.example"})
UNVERIFIED = ANA.model_copy(update={"email_verified": False})


def hinted(token: str) -> dict[str, str]:
    if token != "good":
        raise Unauthorized()
    return {"aud": "board", "sub": "ana-id"}


def asked(**given: str) -> Prompt:
    return prompt_of(given, "board", hinted)


@pytest.mark.parametrize(
    ("given", "silent", "login", "consent"),
    [
        ({}, False, False, False),
        ({"prompt": "none"}, True, False, False),
        ({"prompt": "login"}, False, True, False),
        ({"prompt": "select_account"}, False, True, False),
        ({"prompt": "consent"}, False, False, True),
        ({"prompt": " login  consent "}, False, True, True),
        ({"max_age": "0"}, False, True, False),
        ({"max_age": "000"}, False, True, False),
        ({"max_age": "1"}, False, False, False),
    ],
)
def test_prompts(given: dict[str, str], silent: bool, login: bool, consent: bool) -> None:
    found = asked(**given)

    assert (found.silent, found.login, found.consent) == (silent, login, consent)
    assert found.fresh(0) is not login


@pytest.mark.parametrize(
    "given",
    [
        {"prompt": "shout"},
        {"prompt": "none login"},
        {"prompt": "none none consent"},
        {"prompt": "None"},
        {"max_age": "-1"},
        {"max_age": "1.5"},
        {"max_age": "²"},
        {"max_age": "1" * 10},
        {"max_age": " 1"},
        {"id_token_hint": "bad"},
    ],
)
def test_what_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(InvalidRequestError):
        asked(**given)


def test_an_id_token_of_another_program_is_refused() -> None:
    with pytest.raises(InvalidRequestError):
        prompt_of({"id_token_hint": "good"}, "shop", hinted)


def test_max_age_counts_from_the_sign_in() -> None:
    found = asked(max_age="60")

    assert found.fresh(60)
    assert not found.fresh(60.5)
    assert asked().fresh(10**9)


@pytest.mark.parametrize(
    ("given", "user", "goes_on"),
    [
        ({}, ANA, True),
        ({"login_hint": "ana"}, ANA, True),
        ({"login_hint": "  ANA@Example.org "}, ANA, True),
        ({"login_hint": "ana@example.org"}, UNVERIFIED, False),
        ({"login_hint": "ana"}, UNVERIFIED, True),
        ({"login_hint": "ana@BÜCHER.example"}, ABROAD, True),
        ({"login_hint": "ana@xn--bcher-kva.example"}, ABROAD, True),
        ({"login_hint": "bo"}, ANA, False),
        ({"login_hint": "\u212a"}, ANA.model_copy(update={"username": "k"}), False),
        ({"login_hint": "an\0a"}, ANA, False),
        ({"login_hint": "a" * 255}, ANA, False),
        ({"id_token_hint": "good"}, ANA, True),
        ({"id_token_hint": "good"}, ANA.model_copy(update={"id": "bo-id"}), False),
        ({"id_token_hint": "good", "login_hint": "bo"}, ANA, False),
    ],
)
def test_which_users_need_not_sign_in_again(
    given: dict[str, str], user: Profile, goes_on: bool
) -> None:
    assert asked(**given).expects(user) is goes_on


def test_only_an_id_token_refuses_other_users() -> None:
    """A login_hint is only a hint: the user may have another account."""
    assert asked(login_hint="bo").accepts("ana-id")
    assert not asked(id_token_hint="good").accepts("bo-id")


def test_its_repr_contains_no_address() -> None:
    shown: Any = asked(login_hint="ana@example.org")

    assert "ana" not in repr(shown)
