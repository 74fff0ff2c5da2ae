"""Forged tokens and used tickets are refused."""

import base64
import json
import time
import uuid
from typing import Any

import jwt
import pytest
import websockets
from cryptography.hazmat.primitives.asymmetric import ec

from tests.client import Socket, User
from tests.cloud import Cloud
from tests.e2e.conftest import People, Run
from tests.e2e.edge.problems import NOWHERE, is_problem


def forgeries(good: str, key: Any) -> dict[str, str]:
    """Tokens that look like `good` and must not count; `key` is the one that signed it."""
    header, claims = (
        jwt.get_unverified_header(good),
        jwt.decode(good, options={"verify_signature": False}),
    )
    kid = {"kid": header["kid"], "typ": header["typ"]}
    foreign = ec.generate_private_key(ec.SECP256R1())
    head, payload, signature = good.split(".")
    other = base64.urlsafe_b64encode(json.dumps({**claims, "sub": NOWHERE}).encode())
    none = base64.urlsafe_b64encode(json.dumps({**header, "alg": "none"}).encode())
    return {
        "no token": "",
        "not a token": "x.y.z",
        "another key": jwt.encode(claims, foreign, "ES256", headers=kid),
        "a symmetric alg": jwt.encode(claims, "x" * 32, "HS256", headers=kid),
        "alg none": f"{none.decode().rstrip('=')}.{payload}.",
        "other claims": f"{head}.{other.decode().rstrip('=')}.{signature}",
        "unknown kid": jwt.encode(
            claims, foreign, "ES256", headers={**kid, "kid": "../../dev/null"}
        ),
        "huge": "a" * 5000 + ".b.c",
        # From here on, one thing is wrong at a time.
        "expired": signed(key, kid, {**claims, "exp": int(time.time()) - 1}),
        "for others": signed(key, kid, {**claims, "aud": "elsewhere"}),
        "for us among others": signed(key, kid, {**claims, "aud": [claims["aud"], "elsewhere"]}),
        "by another issuer": signed(key, kid, {**claims, "iss": "https://elsewhere.example"}),
        "without an end": signed(key, kid, {n: v for n, v in claims.items() if n != "exp"}),
        "of another type": signed(key, {**kid, "typ": "JWT"}, claims),
        "of another session": signed(key, kid, {**claims, "sid": NOWHERE}),
        "of another user": signed(key, kid, {**claims, "sub": NOWHERE}),
    }


def signed(key: Any, header: dict[str, str], claims: dict[str, Any]) -> str:
    return jwt.encode(claims, key, "ES256", headers=header)


def signing_key(cloud: Cloud) -> Any:
    keys = json.loads(cloud.about["environment"]["JWT_KEYS"])["keys"]
    return jwt.PyJWK(keys[0], "ES256").key


def test_forged_tokens(run: Run, cloud: Cloud) -> None:
    key = signing_key(cloud)

    async def scenario(people: People) -> None:
        ana = await people.new()
        assert ana.token is not None
        for name, token in forgeries(ana.token, key).items():
            forged = User(ana.url, people.http, token)
            answer = await forged.call("GET /v1/users/me")
            assert answer.status == 401, name
            assert is_problem(answer, 401, "unauthorized")
            assert answer.headers["www-authenticate"].startswith("Bearer")
        given = jwt.get_unverified_header(ana.token)
        claims = jwt.decode(ana.token, options={"verify_signature": False})
        ours = signed(key, {"kid": given["kid"], "typ": given["typ"]}, {**claims, "jti": "x"})
        answer = await User(ana.url, people.http, ours).call("GET /v1/users/me")
        assert (answer.status, answer.body["id"]) == (200, ana.id), "or the above says nothing"
        for header in (f"Basic {ana.token}", ana.token, "Bearer", f"Bearer {ana.token} x"):
            answer = await people.anonymous.call(
                "GET /v1/users/me", headers={"Authorization": header}
            )
            assert answer.status == 401

    run(scenario)


def test_tickets_are_used_once_and_only_tickets_open_a_socket(run: Run, cloud: Cloud) -> None:
    async def scenario(people: People) -> None:
        ana = await people.new()
        ticket = await ana.ok("POST /v1/socket-tickets")
        assert ticket["expires_in"] <= 30
        address = f"{ticket['url']}?ticket={ticket['ticket']}"
        async with websockets.connect(address):
            pass
        for bad in (
            address,
            ticket["url"],
            f"{ticket['url']}?ticket=",
            f"{ticket['url']}?ticket={uuid.uuid4()}",
            f"{ticket['url']}?token={ana.token}",
            f"{ticket['url']}?access_token={ana.token}",
        ):
            with pytest.raises(websockets.InvalidStatus) as refused:
                await websockets.connect(bad)
            assert refused.value.response.status_code in (401, 403)
        headers = {"Authorization": f"Bearer {ana.token}"}
        async with websockets.connect(ticket["url"], additional_headers=headers) as native:
            await Socket(native).ask("ping")

    run(scenario)
