"""Google's ID tokens: a forged, borrowed or old one is refused."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from chalicelib.auth.google.tokens import (
    ASK_AGAIN,
    KEEP,
    MAX_KEY_SET,
    GoogleKeys,
    GoogleTokens,
)
from chalicelib.errors import IdTokenInvalid, Unavailable

DAY = 24 * 60 * 60
CLIENT = "web.apps.googleusercontent.com"
KEY, OTHER = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))


def jwk(key: rsa.RSAPrivateKey, kid: str, **changes: Any) -> dict[str, Any]:
    public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**public, "kid": kid, "alg": "RS256", "use": "sig", **changes}


class Google:
    """What answers for the keys, and when."""

    def __init__(self) -> None:
        self.answer = answer(jwk(KEY, "k1"))
        self.asked = 0
        self.time = 0.0
        self.down = False
        self.keys = GoogleKeys(self.fetch, lambda: self.time)
        self.tokens = GoogleTokens(self.keys, client_ids=(CLIENT, "phone"))

    def fetch(self) -> tuple[int, bytes]:
        self.asked += 1
        if self.down:
            raise TimeoutError
        return self.answer


def answer(*keys: dict[str, Any]) -> tuple[int, bytes]:
    return 200, json.dumps({"keys": keys}).encode()


@pytest.fixture
def google() -> Google:
    return Google()


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    good = {
        "iss": "https://accounts.google.com",
        "aud": CLIENT,
        "azp": CLIENT,
        "sub": "1234567890",
        "email": "Ana@gmail.com",
        "email_verified": True,
        "name": "Ana",
        "nonce": "n",
        "iat": now,
        "exp": now + 3600,
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def signed(key: rsa.RSAPrivateKey = KEY, header: dict[str, Any] | None = None, **c: Any) -> str:
    return jwt.encode(claims(**c), key, algorithm="RS256", headers={"kid": "k1", **(header or {})})


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_believes_what_google_says(google: Google) -> None:
    """Else the refusals below would prove nothing."""
    found = google.tokens.verify(signed())

    assert (found.subject, found.email, found.nonce) == ("1234567890", "ana@gmail.com", "n")


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "accounts.google.com"},
        {"aud": "phone", "azp": CLIENT},
        {"azp": None},
    ],
)
def test_allows_what_google_does(google: Google, change: dict[str, Any]) -> None:
    assert google.tokens.verify(signed(**change)).subject == "1234567890"


@pytest.mark.parametrize(("claim", "seconds"), [("exp", -5), ("iat", 5)])
def test_allows_what_clocks_do(google: Google, claim: str, seconds: int) -> None:
    change: dict[str, Any] = {claim: int(time.time()) + seconds}

    assert google.tokens.verify(signed(**change)).subject == "1234567890"


@pytest.mark.parametrize(
    "change",
    [
        *({name: None} for name in ("iss", "aud", "sub", "iat", "exp", "email", "nonce")),
        {"iss": "https://accounts.google.com.evil.example"},
        {"iss": "http://accounts.google.com"},
        {"aud": "another"},
        {"aud": [CLIENT, "another"]},
        {"azp": "another"},
        {"azp": [CLIENT]},
        {"exp": int(time.time()) - DAY},
        {"iat": int(time.time()) + DAY},  # the tests may run for more than an hour before this one
        {"email_verified": False},
        {"email_verified": None},
        {"email_verified": "true"},
        {"email_verified": 1},
        {"sub": ""},
        {"sub": "x" * 256},
        {"email": ["ana@gmail.com"]},
        {"nonce": 1},
    ],
)
def test_refuses_claims_that_are_not_for_us(google: Google, change: dict[str, Any]) -> None:
    with pytest.raises(IdTokenInvalid):
        google.tokens.verify(signed(**change))


@pytest.mark.parametrize("email", ["ana@BÜCHER.example", "ana@xn--bcher-kva.example"])
def test_an_address_is_the_one_that_people_register_with(google: Google, email: str) -> None:
    assert google.tokens.verify(signed(email=email)).email == "ana@xn--bcher-kva.example"


@pytest.mark.parametrize("email", ["\u212aim@gmail.com", "änä@gmail.com", "ana", "ana@\u2603.de"])
def test_an_address_that_no_mail_can_be_sent_to_is_none(google: Google, email: str) -> None:
    """Its lower case must not be somebody else's address: U+212A becomes k."""
    found = google.tokens.verify(signed(email=email))

    assert (found.subject, found.email, found.authoritative) == ("1234567890", None, False)


def test_refuses_a_token_that_says_it_needs_no_signature(google: Google) -> None:
    token = f"{part({'alg': 'none', 'kid': 'k1'})}.{part(claims())}."

    with pytest.raises(IdTokenInvalid):
        google.tokens.verify(token)


def test_refuses_a_token_signed_with_the_public_key_as_a_secret(google: Google) -> None:
    kinds = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    secret = KEY.public_key().public_bytes(*kinds)
    text = f"{part({'alg': 'HS256', 'kid': 'k1'})}.{part(claims())}"
    mac = hmac.new(secret, text.encode(), hashlib.sha256).digest()

    with pytest.raises(IdTokenInvalid):
        google.tokens.verify(f"{text}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}")


@pytest.mark.parametrize(
    "header", [{"kid": None}, {"kid": 1}, {"kid": "../k1"}, {"kid": ""}, {"jwk": jwk(OTHER, "k1")}]
)
def test_refuses_another_key_whatever_the_header_says(
    google: Google, header: dict[str, Any]
) -> None:
    given = {name: value for name, value in {"kid": "k1", **header}.items() if value is not None}
    text = f"{part({'alg': 'RS256', **given})}.{part(claims())}"
    signature = jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256).sign(
        text.encode(), OTHER
    )

    with pytest.raises(IdTokenInvalid):
        google.tokens.verify(f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}")


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é.é.é", "x" * 9000])
def test_refuses_what_is_no_token(google: Google, token: str) -> None:
    with pytest.raises(IdTokenInvalid):
        google.tokens.verify(token)
    assert google.asked == 0


def test_only_gmail_and_workspace_addresses_are_googles_own(google: Google) -> None:
    def authoritative(**change: Any) -> bool:
        return google.tokens.verify(signed(**change)).authoritative

    assert authoritative(email="ana@gmail.com")
    assert authoritative(email="ana@firm.example", hd="firm.example")
    assert not authoritative(email="ana@firm.example")
    assert not authoritative(email="ana@gmail.com.evil.example")
    assert not authoritative(email="ana@notgmail.com")
    assert not authoritative(email="ana@firm.example", hd="")


def test_keys_are_kept_for_a_while(google: Google) -> None:
    for google.time in (0.0, KEEP - 1.0, float(KEEP)):
        google.tokens.verify(signed())

    assert google.asked == 2


def test_a_new_key_is_found_and_one_that_is_gone_is_not(google: Google) -> None:
    google.tokens.verify(signed())
    google.answer = answer(jwk(OTHER, "k2"))
    google.time = ASK_AGAIN + 1.0

    google.tokens.verify(signed(OTHER, {"kid": "k2"}))

    with pytest.raises(IdTokenInvalid):
        google.tokens.verify(signed())


def test_made_up_keys_do_not_have_google_asked_each_time(google: Google) -> None:
    for number in range(20):
        with pytest.raises(IdTokenInvalid):
            google.tokens.verify(signed(header={"kid": f"made-up-{number}"}))

    assert google.asked == 1


def test_an_outage_is_raised_and_asked_about_again_later(google: Google) -> None:
    google.down = True
    for _ in range(3):
        with pytest.raises(Unavailable) as caught:
            google.tokens.verify(signed())
    assert caught.value.details["retry_after"] == ASK_AGAIN
    assert google.asked == 1

    google.down, google.time = False, float(ASK_AGAIN)
    assert google.tokens.verify(signed())


@pytest.mark.parametrize(
    "garbage",
    [
        (500, answer(jwk(KEY, "k1"))[1]),
        (200, b""),
        (200, b"\xff"),
        (200, b"[]"),
        (200, b'{"keys": {}}'),
        (200, b'{"keys": [1, null, {}]}'),
        (200, answer(jwk(KEY, "k1"))[1] + b" " * MAX_KEY_SET),
        answer(*(jwk(KEY, f"k{n}") for n in range(21))),
        answer(jwk(KEY, "k1", use="enc")),
        answer(jwk(KEY, "k1", alg="RS512")),
        answer(jwk(rsa.generate_private_key(public_exponent=65537, key_size=1024), "k1")),
    ],
)
def test_keys_that_cannot_be_used_are_an_outage(google: Google, garbage: tuple[int, bytes]) -> None:
    google.answer = garbage

    with pytest.raises(Unavailable):
        google.tokens.verify(signed())
