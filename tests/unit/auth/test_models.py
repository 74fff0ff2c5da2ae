"""What may be sent to make an account and to sign in."""

import json
from typing import Any

import pytest

from chalicelib.auth.models import Credentials, Registration
from chalicelib.errors import ValidationFailed
from chalicelib.wire import parse

GOOD = {
    "email": "ana@example.org",
    "username": "ana",
    "password": "correct horse",
    "display_name": "Ana",
}


def registration(**changes: Any) -> Registration:
    return parse(Registration, json.dumps({**GOOD, **changes}))


def wrong(**changes: Any) -> list[str]:
    with pytest.raises(ValidationFailed) as raised:
        registration(**changes)
    return [error["field"] for error in raised.value.details["errors"]]


def test_case_and_a_keyboards_stray_space_mean_nothing() -> None:
    made = registration(email=" Ana@Example.ORG ", username="Ana_1")

    assert (made.email, made.username) == ("ana@example.org", "ana_1")


@pytest.mark.parametrize(
    "email",
    [
        "a@b.c",
        "first.last+tag@sub.example.org",
        "o'neil@xn--bcher-kva.example",
        "a" * 64 + "@example.org",
    ],
)
def test_takes_addresses(email: str) -> None:
    assert registration(email=email).email == email


@pytest.mark.parametrize(
    "email",
    [
        "",
        "ana",
        "@example.org",
        "ana@",
        "ana@localhost",
        "ana@exam ple.org",
        "ana@example..org",
        "ana@-example.org",
        "ana@example.org.",
        "ana@@example.org",
        "ana@b@example.org",
        "ana@example.org\nb",
        "a\x00na@example.org",
        "änä@example.org",
        "a" * 65 + "@example.org",
        "ana@" + "a" * 60 + "." + "b" * 60 + "." + "c" * 60 + "." + "d" * 60 + "." + "e" * 20,
        None,
        7,
    ],
)
def test_refuses_what_is_no_address(email: Any) -> None:
    assert wrong(email=email) == ["email"]


@pytest.mark.parametrize("username", ["ana", "a_1", "___", "a" * 32, "ANA"])
def test_takes_usernames(username: str) -> None:
    assert registration(username=username).username == username.lower()


@pytest.mark.parametrize(
    "username",
    ["an", "a" * 33, "an a", "ana-1", "ana.1", "änä", "ana\n", "аna", "ana٣", "", 7, None],
)
def test_refuses_other_usernames(username: Any) -> None:
    assert wrong(username=username) == ["username"]


def test_passwords_are_measured_in_nfc() -> None:
    decomposed = "e\u0301" * 10

    assert registration(password=decomposed).password == "é" * 10
    assert wrong(password="e\u0301" * 9) == ["password"]


def test_the_same_password_from_another_keyboard_is_the_same() -> None:
    body = json.dumps({"login": "ana", "password": "e\u0301" * 10})

    assert parse(Credentials, body).password == "é" * 10


@pytest.mark.parametrize(
    "password", ["short", "nine char", "x" * 1025, "ü" * 513, None, 1234567890]
)
def test_refuses_passwords_of_the_wrong_length(password: Any) -> None:
    assert wrong(password=password) == ["password"]


def test_takes_the_longest_password() -> None:
    assert len(registration(password="ü" * 512).password) == 512


@pytest.mark.parametrize("login", ["", " ", "a" * 255, "a\x00b", 7, None])
def test_refuses_logins_that_nobody_can_have(login: Any) -> None:
    with pytest.raises(ValidationFailed):
        parse(Credentials, json.dumps({"login": login, "password": "x"}))


def test_g7_unknown_fields_are_refused() -> None:
    assert wrong(admin=True) == ["admin"]


def test_what_is_secret_stays_out_of_reprs() -> None:
    made = registration()

    assert "correct horse" not in repr(made)
    assert "example.org" not in repr(made)


def test_refusals_do_not_quote_the_password() -> None:
    with pytest.raises(ValidationFailed) as raised:
        registration(password="hunter2")
    assert "hunter2" not in str(raised.value.details)
