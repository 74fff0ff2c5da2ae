"""Access tokens: only those that we issued, unchanged and not expired, are accepted."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any, ClassVar

import jwt
import pytest

from chalicelib.auth.sessions.tokens import AccessTokens
from chalicelib.config import SettingsInvalid
from chalicelib.errors import Unauthorized
from chalicelib.identity import Identity
from tests.unit.auth.fakes import KEY, RSA_KEY, auth_settings, signing_key

ANA = Identity(user_id="ana", session_id="s1", scopes=frozenset({"account", "chats.read"}))
PRIVATE = jwt.PyJWK(KEY).key
OTHER = signing_key("k2")
RSA_PRIVATE = jwt.PyJWK(RSA_KEY).key
OTHER_RSA = signing_key("r2", "RS256")


def tokens(
    *keys: dict[str, str], rsa: tuple[dict[str, str], ...] = (RSA_KEY,), **changes: Any
) -> AccessTokens:
    given = [*(keys or (KEY,)), *rsa]
    return AccessTokens(auth_settings(jwt_keys=json.dumps({"keys": given}), **changes))


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    good = {
        "iss": "http://127.0.0.1:8000",
        "aud": "parley",
        "sub": "ana",
        "sid": "s1",
        "scope": "account chats.read",
        "iat": now,
        "exp": now + 60,
        "jti": "j1",
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def signed(given: dict[str, Any], key: Any = PRIVATE, alg: str = "ES256", **header: Any) -> str:
    return jwt.encode(given, key, algorithm=alg, headers={"kid": "k1", "typ": "at+jwt", **header})


def signed_id(
    given: dict[str, Any], key: Any = RSA_PRIVATE, alg: str = "RS256", **header: Any
) -> str:
    return jwt.encode(given, key, algorithm=alg, headers={"kid": "r1", "typ": "JWT", **header})


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_says_who_calls() -> None:
    assert tokens().verify(tokens().issue(ANA)) == ANA


def test_accepts_its_own_tokens() -> None:
    """Else the refusals below would prove nothing."""
    assert tokens().verify(signed(claims())) == ANA


def test_follows_rfc_9068() -> None:
    token = tokens(access_token_seconds=900).issue(ANA)

    header, body = (
        jwt.get_unverified_header(token),
        jwt.decode(token, options={"verify_signature": False}),
    )
    assert header == {"alg": "ES256", "typ": "at+jwt", "kid": "k1"}
    assert set(body) == {"iss", "aud", "sub", "sid", "scope", "iat", "exp", "jti"}
    assert body["exp"] - body["iat"] == 900


def test_no_two_are_alike() -> None:
    assert tokens().issue(ANA) != tokens().issue(ANA)


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "sid", "scope", "iat", "exp", "jti"])
def test_refuses_a_token_without_a_claim(claim: str) -> None:
    with pytest.raises(Unauthorized):
        tokens().verify(signed(claims(**{claim: None})))


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1_000_000_000},
        {"exp": "soon"},
        {"nbf": 9_000_000_000},
        {"aud": "others"},
        {"aud": ["parley", "others"]},
        {"iss": "http://127.0.0.1:8001"},
        {"sub": 7},
        {"scope": ["account"]},
    ],
    ids=str,
)
def test_refuses_claims_that_are_not_for_us(changes: dict[str, Any]) -> None:
    with pytest.raises(Unauthorized):
        tokens().verify(signed(claims(**changes)))


@pytest.mark.parametrize("header", [{"typ": "JWT"}, {"typ": None}, {"kid": "k9"}], ids=str)
def test_refuses_headers_that_are_not_ours(header: dict[str, Any]) -> None:
    with pytest.raises(Unauthorized):
        tokens().verify(signed(claims(), **header))


def test_refuses_a_token_that_names_no_key() -> None:
    with pytest.raises(Unauthorized):
        tokens().verify(jwt.encode(claims(), PRIVATE, algorithm="ES256", headers={"typ": "at+jwt"}))


def test_refuses_a_token_that_says_it_needs_no_signature() -> None:
    for alg in ("none", "None", "NONE"):
        head = encoded({"alg": alg, "typ": "at+jwt", "kid": "k1"})
        with pytest.raises(Unauthorized):
            tokens().verify(f"{head}.{encoded(claims())}.")


@pytest.mark.parametrize("form", ["pem", "jwk", "x"])
def test_refuses_a_token_signed_with_the_public_key_as_a_secret(form: str) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    pem = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    public = json.dumps({k: v for k, v in KEY.items() if k != "d"}).encode()
    secret = {"pem": pem, "jwk": public, "x": KEY["x"].encode()}[form]
    text = f"{encoded({'alg': 'HS256', 'typ': 'at+jwt', 'kid': 'k1'})}.{encoded(claims())}"
    mac = hmac.digest(secret, text.encode(), hashlib.sha256)
    token = f"{text}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"

    with pytest.raises(Unauthorized):
        tokens().verify(token)


def test_refuses_a_token_signed_with_a_key_of_its_own() -> None:
    forged = signed(claims(), jwt.PyJWK(OTHER).key)
    brought_along = signed(claims(), jwt.PyJWK(OTHER).key, jwk=OTHER, jku="https://evil.example")

    for token in (forged, brought_along):
        with pytest.raises(Unauthorized):
            tokens().verify(token)


def test_refuses_a_token_signed_with_a_key_of_the_other_kind_of_tokens() -> None:
    with pytest.raises(Unauthorized):
        tokens().verify(signed_id(claims(), typ="at+jwt"))


def test_refuses_a_token_that_was_changed() -> None:
    head, _, signature = signed(claims()).split(".")

    with pytest.raises(Unauthorized):
        tokens().verify(f"{head}.{encoded(claims(sub='bo'))}.{signature}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "é.é.é",
        "\ud800",
        encoded([]) + ".e30.AA",
        encoded({"alg": "ES256", "kid": ["k1"]}) + ".e30.AA",
        base64.urlsafe_b64encode(b"[" * 3000).decode() + ".e30.AA",
        "a" * 5000,
    ],
    ids=lambda text: repr(text[:12]),
)
def test_refuses_what_is_no_token(text: str) -> None:
    with pytest.raises(Unauthorized):
        tokens().verify(text)


def test_refuses_a_long_token_unread() -> None:
    with pytest.raises(Unauthorized):
        tokens().verify(signed(claims(jti="x" * 5000)))


class TestKeys:
    def test_the_first_key_signs_and_all_keys_verify(self) -> None:
        old, both, new = tokens(KEY), tokens(OTHER, KEY), tokens(OTHER)

        assert both.verify(old.issue(ANA)) == ANA
        assert new.verify(both.issue(ANA)) == ANA
        with pytest.raises(Unauthorized):
            new.verify(old.issue(ANA))

    def test_a_retired_key_need_not_be_private(self) -> None:
        public = {name: value for name, value in KEY.items() if name != "d"}

        assert tokens(OTHER, public).verify(tokens(KEY).issue(ANA)) == ANA

    def test_only_public_halves_are_published(self) -> None:
        published = tokens(KEY, OTHER).public.model_dump()["keys"]

        assert [sorted(key) for key in published] == [
            *[["alg", "crv", "kid", "kty", "use", "x", "y"]] * 2,
            ["alg", "e", "kid", "kty", "n", "use"],
        ]
        assert jwt.PyJWKSet.from_dict({"keys": published})["k2"].key_id == "k2"

    @pytest.mark.parametrize(
        "value",
        [
            "hunter2",
            "{}",
            '{"keys": []}',
            '{"keys": "hunter2"}',
            '[{"hunter2": 1}]',
            json.dumps({"keys": [KEY]}),
            json.dumps({"keys": [RSA_KEY]}),
            json.dumps({"keys": [KEY, KEY, RSA_KEY]}),
            json.dumps({"keys": [KEY, {**RSA_KEY, "kid": "k1"}]}),
            json.dumps({"keys": [{**KEY, "crv": "P-384"}, RSA_KEY]}),
            json.dumps({"keys": [{**KEY, "x": "hunter2"}, RSA_KEY]}),
            json.dumps({"keys": [{**KEY, "d": 7}, RSA_KEY]}),
            json.dumps({"keys": [KEY, {**RSA_KEY, "alg": "PS256"}]}),
            json.dumps({"keys": [KEY, {**RSA_KEY, "n": "hunter2 "}]}),
            json.dumps({"keys": [{"kty": "oct", "kid": "k1", "k": "hunter2"}, KEY, RSA_KEY]}),
            json.dumps({"keys": [{n: v for n, v in KEY.items() if n != "d"}, RSA_KEY]}),
        ],
        ids=lambda value: value[:24],
    )
    def test_malformed_ones_are_reported_by_name_not_by_value(self, value: str) -> None:
        with pytest.raises(SettingsInvalid, match="JWT_KEYS") as raised:
            AccessTokens(auth_settings(jwt_keys=value)).issue(ANA)
        assert "hunter2" not in str(raised.value)
        assert KEY["d"] not in str(raised.value)
        assert raised.value.__cause__ is None


class TestIdTokens:
    SAYS: ClassVar = {"sub": "ana", "sid": "s1"}

    def test_say_what_they_were_issued_with(self) -> None:
        told = tokens().id_claims(tokens().issue_id("program", **self.SAYS))

        assert (told["aud"], told["sub"], told["sid"]) == ("program", "ana", "s1")

    def test_are_signed_as_every_client_understands(self) -> None:
        header = jwt.get_unverified_header(tokens().issue_id("program", **self.SAYS))

        assert header == {"alg": "RS256", "typ": "JWT", "kid": "r1"}

    def test_of_a_retired_key_are_known(self) -> None:
        old, both = tokens(), tokens(rsa=(OTHER_RSA, RSA_KEY))

        assert both.id_claims(old.issue_id("program", **self.SAYS))["sub"] == "ana"
        assert jwt.get_unverified_header(both.issue_id("p", **self.SAYS))["kid"] == "r2"

    def test_a_key_that_cannot_sign_is_reported(self) -> None:
        public = {name: RSA_KEY[name] for name in ("kty", "alg", "use", "kid", "n", "e")}
        broken = {**RSA_KEY, "p": RSA_KEY["q"]}

        for key in (public, broken):
            with pytest.raises(SettingsInvalid, match="JWT_KEYS") as raised:
                tokens(rsa=(key,)).issue_id("program", **self.SAYS)
            assert RSA_KEY["d"] not in str(raised.value)

    def test_are_known_after_they_expired(self) -> None:
        old = signed_id({**claims(aud="program"), "exp": 1})

        assert tokens().id_claims(old)["sid"] == "s1"

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "nonsense",
            tokens().issue(ANA),
            signed_id(claims(aud="program"), typ="at+jwt"),
            signed_id(claims(aud="program", iss="https://evil.example")),
            signed_id(claims(aud="program", sid=None)),
            signed_id(claims(aud=["program"])),
            signed_id(claims(aud="program"), key=jwt.PyJWK(OTHER_RSA).key),
            signed_id(claims(aud="program"), alg="PS256"),
            signed(claims(aud="program"), typ="JWT"),
            tokens(rsa=(OTHER_RSA,)).issue_id("program", **SAYS),
        ],
    )
    def test_only_ours_are_believed(self, text: str) -> None:
        with pytest.raises(Unauthorized):
            tokens().id_claims(text)

    def test_are_no_access_tokens(self) -> None:
        with pytest.raises(Unauthorized):
            tokens().verify(tokens().issue_id("parley", **self.SAYS, scope="account", jti="j"))


class TestKeysForOtherPurposes:
    def test_are_one_of_each_private_key_the_signing_one_first(self) -> None:
        first, second = (tokens(key).keys_for(b"x") for key in (KEY, OTHER))

        assert tokens(KEY, OTHER).keys_for(b"x") == [*first, *second]
        assert tokens(OTHER, KEY).keys_for(b"x") == [*second, *first]
        assert [len(key) for key in first] == [32]

    def test_differ_by_purpose_and_tell_nothing_of_the_key(self) -> None:
        (one,), (other,) = tokens(KEY).keys_for(b"x"), tokens(KEY).keys_for(b"y")

        assert one != other
        assert one != jwt.utils.base64url_decode(KEY["d"])

    def test_need_a_private_key(self) -> None:
        public = {name: value for name, value in KEY.items() if name != "d"}

        with pytest.raises(SettingsInvalid):
            tokens(public).keys_for(b"x")
        with pytest.raises(SettingsInvalid):
            tokens({**KEY, "d": 5}).keys_for(b"x")  # type: ignore[dict-item]
