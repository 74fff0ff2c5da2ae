"""Codes and passwords as people and their keyboards type them."""

import json
from typing import Any

import pytest
from pydantic import BaseModel

from chalicelib.auth.fields import MAX_TYPED
from chalicelib.auth.google.models import GoogleCredentials, GoogleProof
from chalicelib.auth.models import Credentials, PasswordChange, PasswordProof, Registration
from chalicelib.auth.recovery.models import PasswordReset
from chalicelib.auth.second_factor.models import SecondFactorCode
from chalicelib.errors import ValidationFailed
from chalicelib.wire import parse

RECOVERY = "abcd-efgh-2345-mnop"
PLAIN = RECOVERY.replace("-", "")


def code(text: str) -> str:
    return parse(SecondFactorCode, json.dumps({"code": text})).code


@pytest.mark.parametrize(
    "text",
    [
        "123456",
        "123 456",
        " 123-456 ",
        "123\u00a0456",
        "123\u2009456",
        "123\u3000456",
        "123\u2013456",
        "123\u2011456",
        "123\u2212456",
        "123.456",
        "123\u200b456",
        "\uff11\uff12\uff13\uff14\uff15\uff16",
        "\u0661\u0662\u0663\u0664\u0665\u0666",
        "\u06f1\u06f2\u06f3\u06f4\u06f5\u06f6",
        "\u0967\u0968\u0969\u096a\u096b\u096c",
        "\U0001d7cf\U0001d7d0\U0001d7d1\U0001d7d2\U0001d7d3\U0001d7d4",
    ],
    ids=ascii,
)
def test_a_code_of_the_app_in_any_digits(text: str) -> None:
    assert code(text) == "123456"


@pytest.mark.parametrize(
    "text",
    [
        RECOVERY,
        PLAIN,
        RECOVERY.upper(),
        RECOVERY.replace("-", " "),
        RECOVERY.replace("-", "\u2013"),
        RECOVERY.replace("-", "\u2014"),
        RECOVERY.replace("-", "\u2011"),
        RECOVERY.replace("-", "\u00a0"),
        RECOVERY.replace("-", " \u2010 "),
        "".join(chr(ord(char) + 0xFEE0) for char in RECOVERY.upper()),
        RECOVERY.replace("2345", "\u0662\u0663\u0664\u0665"),
    ],
    ids=ascii,
)
def test_a_recovery_code_with_any_dashes(text: str) -> None:
    assert code(text) == PLAIN


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12345",
        "1234567",
        "123456 123456",
        "abcdef",
        "\u00b9\u00b9",
        "\u2460" * 5,
        PLAIN[:-1],
        PLAIN[:-1] + "1",
        PLAIN[:-1] + "\u0430",
        "1" * 6 + " " * MAX_TYPED,
        7,
        None,
    ],
    ids=ascii,
)
def test_nothing_else_is_a_code(text: Any) -> None:
    with pytest.raises(ValidationFailed):
        code(text)


PROOF = {"password": "correct horse", "second_factor": "\uff11\uff12\uff13 456"}


@pytest.mark.parametrize(
    ("model", "given"),
    [
        (Credentials, {"login": "ana", **PROOF}),
        (PasswordProof, PROOF),
        (GoogleProof, {"id_token": "t", "nonce": "n" * 22, **PROOF}),
        (
            GoogleCredentials,
            {"id_token": "t", "nonce": "n" * 22, "second_factor": PROOF["second_factor"]},
        ),
        (
            PasswordChange,
            {
                "current_password": "correct horse",
                "new_password": "battery staple",
                "second_factor": PROOF["second_factor"],
            },
        ),
    ],
    ids=lambda one: one.__name__ if isinstance(one, type) else "",
)
def test_codes_are_read_alike_wherever_they_are_taken(
    model: type[BaseModel], given: dict[str, Any]
) -> None:
    assert parse(model, json.dumps(given)).model_dump()["second_factor"] == "123456"


def passwords(text: str) -> set[str]:
    """What each request makes of a password."""
    person = {"email": "a@example.org", "username": "ana", "display_name": "Ana"}
    requests: list[tuple[type[BaseModel], dict[str, str], str]] = [
        (Registration, person, "password"),
        (Credentials, {"login": "ana"}, "password"),
        (PasswordProof, {}, "password"),
        (PasswordChange, {"new_password": "battery staple"}, "current_password"),
        (PasswordChange, {"current_password": "x"}, "new_password"),
        (PasswordReset, {"token": "t"}, "new_password"),
    ]
    return {
        parse(model, json.dumps({**others, field: text})).model_dump()[field]
        for model, others, field in requests
    }


@pytest.mark.parametrize(
    "space",
    "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000",
    ids=ascii,
)
def test_every_space_in_a_password_is_a_space(space: str) -> None:
    """RFC 8265, section 4.2.2."""
    assert passwords(f"correct{space}horse") == {"correct horse"}


def test_a_password_is_otherwise_what_was_typed() -> None:
    assert passwords(" Correct  ho\u0301rse\u200d ") == {" Correct  hórse\u200d "}
    assert passwords("\uff41\uff42\ufb01 1234567") == {"\uff41\uff42\ufb01 1234567"}


@pytest.mark.parametrize("char", "\x00\t\n\x0b\r\x7f\x85", ids=ascii)
def test_no_password_has_control_characters(char: str) -> None:
    with pytest.raises(ValidationFailed):
        passwords(f"correct{char}horse")


@pytest.mark.parametrize("text", ["", "x" * 1025, "\u3000" * 9])
def test_a_new_password_keeps_its_bounds(text: str) -> None:
    with pytest.raises(ValidationFailed):
        parse(PasswordReset, json.dumps({"token": "t", "new_password": text}))
