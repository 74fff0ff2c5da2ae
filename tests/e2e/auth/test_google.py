"""Signing in with Google, through the local cloud and its stand-in for Google."""

import hashlib
import secrets
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.client import PASSWORD, Answer
from tests.e2e.conftest import People, Run

ROUTE = "/v1/auth/google"
LINK = "/v1/users/me/google"


async def proof(people: People, email: str, **shown: str) -> dict[str, Any]:
    """What somebody comes back from Google with."""
    start = await people.anonymous.ok(f"GET {ROUTE}")
    nonce = secrets.token_hex(24)
    asked = {
        "client_id": start["client_id"],
        "redirect_uri": f"{people.cloud.http_url}/",
        "response_type": "id_token",
        "scope": "openid email profile",
        "nonce": hashlib.sha256(nonce.encode()).hexdigest(),
        "state": "s",
        "email": email,
        **shown,
    }
    chosen = start["authorization_endpoint"].replace("/authorize", "/choose")
    async with people.anonymous.http.get(chosen, params=asked, allow_redirects=False) as answer:
        assert answer.status == 303, await answer.text()
        back = parse_qs(urlsplit(answer.headers["Location"]).fragment)
    return {"id_token": back["id_token"][0], "nonce": nonce}


async def sign_in(people: People, given: dict[str, Any], **more: str) -> Answer:
    return await people.anonymous.call(f"POST {ROUTE}", {**given, **more})


def new_name() -> str:
    return f"g_{secrets.token_hex(5)}"


def test_somebody_new_chooses_a_username_and_is_known_from_then_on(run: Run) -> None:
    async def scenario(people: People) -> None:
        email = f"{new_name()}@gmail.com"
        given = await proof(people, email, name="Gina G.")
        asked = await sign_in(people, given)
        assert (asked.status, asked.code) == (409, "username_required")
        name = new_name()

        made = await sign_in(people, given, username=name)
        replayed = await sign_in(people, given)
        again = await sign_in(people, await proof(people, email))

        assert made.status == again.status == 200
        user = made.body["user"]
        assert (user["username"], user["display_name"]) == (name, "Gina G.")
        assert (user["email"], user["email_verified"]) == (email, True)
        assert again.body["user"]["id"] == user["id"]
        assert (replayed.status, replayed.code) == (400, "id_token_invalid")

    run(scenario)


def test_an_account_is_linked_with_its_password_and_unlinked(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana = await people.new("ana")
        email = f"{new_name()}@firm.example"
        given = {**await proof(people, email), "password": "another password"}
        refused = await ana.call(f"PUT {LINK}", given)
        assert (refused.status, refused.code) == (401, "invalid_credentials")

        await ana.ok(f"PUT {LINK}", {**given, "password": PASSWORD})

        assert (await ana.ok(f"GET {LINK}"))["linked"]
        signed_in = await sign_in(people, await proof(people, email))
        assert signed_in.body["user"]["id"] == ana.id
        await ana.ok(f"DELETE {LINK}")
        unknown = await sign_in(people, await proof(people, email))
        assert unknown.code == "username_required"

    run(scenario)


def test_tokens_that_google_did_not_sign_for_us_are_refused(run: Run) -> None:
    async def scenario(people: People) -> None:
        given = await proof(people, f"{new_name()}@gmail.com")
        head, payload, signature = given["id_token"].split(".")
        ours = (await people.new("ana")).token
        for token in (f"{head}.{payload}.", f"{head}.{payload}.{signature[::-1]}", ours, "x"):
            answer = await sign_in(people, {**given, "id_token": token}, username=new_name())
            assert (answer.status, answer.code) == (400, "id_token_invalid")
        stolen = {**given, "nonce": secrets.token_hex(24)}
        assert (await sign_in(people, stolen, username=new_name())).code == "id_token_invalid"

    run(scenario)


def test_an_address_that_google_does_not_give_out_takes_no_account_over(run: Run) -> None:
    async def scenario(people: People) -> None:
        email = f"{new_name()}@firm.example"
        first = await sign_in(people, await proof(people, email, managed="on"), username=new_name())
        assert first.body["user"]["email_verified"]
        token = {"headers": {"Authorization": f"Bearer {first.body['access_token']}"}}
        await people.anonymous.ok(f"DELETE {LINK}", **token)

        thief = await sign_in(people, await proof(people, email), username=new_name())
        owner = await sign_in(people, await proof(people, email, managed="on"))

        assert (thief.status, thief.code) == (409, "link_required")
        assert owner.body["user"]["id"] == first.body["user"]["id"]

    run(scenario)
