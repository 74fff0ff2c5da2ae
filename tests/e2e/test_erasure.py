"""A deleted account is searched for in every store: what is left is what the page says."""

import asyncio
import hashlib
import json
import re
import secrets
from collections.abc import Iterator
from typing import Any

import jwt
import psycopg
import pymongo
import pyotp
import redis

from chalicelib.live.keys import last_seen
from tests.client import PASSWORD, User
from tests.cloud import Cloud
from tests.e2e.auth.test_google import proof
from tests.e2e.auth.test_passkeys import add, device
from tests.e2e.conftest import People, Run
from tests.e2e.test_exports import fetched, leads_to, ready

PROOF = {"password": PASSWORD}


def kept(cloud: Cloud) -> Iterator[tuple[str, str]]:
    """Everything that the stores hold, as (where, text)."""
    env = cloud.about["environment"]
    with psycopg.connect(env["POSTGRES_URL"]) as connection:
        tables = connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        ).fetchall()
        for (table,) in tables:
            for (text,) in connection.execute(f"SELECT t::text FROM {table} t".encode()):
                yield table, text
    if env["MESSAGES_URL"].startswith("mongodb"):
        client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(env["MESSAGES_URL"])
        with client:
            database = client.get_default_database()
            for name in database.list_collection_names():
                for document in database[name].find():
                    yield f"mongo {name}", json.dumps(document, default=str)
    with redis.Redis.from_url(env["REDIS_URL"], decode_responses=True) as connected:
        for key in connected.scan_iter(count=1000):
            yield f"redis {key}", key
            yield f"redis {key}", _value(connected, key)


def _value(connected: Any, key: str) -> str:
    kind = connected.type(key)
    read = {
        "string": connected.get,
        "hash": connected.hgetall,
        "set": connected.smembers,
        "list": lambda one: connected.lrange(one, 0, -1),
        "zset": lambda one: connected.zrange(one, 0, -1, withscores=True),
    }
    return repr(read[kind](key)) if kind in read else ""


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def found(cloud: Cloud, marks: dict[str, str]) -> set[tuple[str, str]]:
    """(what, where): which marks of a person are still there. Limits are left to run out."""
    return {
        (what, re.sub(r"[:{].*", "", where))
        for where, text in kept(cloud)
        for what, mark in marks.items()
        if mark.lower() in text.lower() and not where.startswith("redis rate:")
    }


async def someone(people: People, mark: str) -> tuple[User, dict[str, str]]:
    """A user of whom every store holds something, and the texts to recognise it by."""
    device_key = secrets.token_urlsafe(24)
    registration = {
        "email": f"mail-{mark}@example.org",
        "username": f"user_{mark}",
        "display_name": f"Name {mark}",
        "password": PASSWORD,
        "device_name": f"Phone of {mark}",
        "device_key": device_key,
    }
    answer = await people.anonymous.ok("POST /v1/auth/register", registration)
    ana = User(people.anonymous.url, people.http)
    ana.signed_in, ana.token = answer, answer["access_token"]
    (link, *_) = await people.mailed(ana)
    await ana.ok("POST /v1/auth/email/verify", {"token": link})
    login = {"login": registration["email"], "password": PASSWORD, "device_key": device_key}
    await people.anonymous.ok("POST /v1/auth/login", login)
    with psycopg.connect(people.cloud.about["environment"]["POSTGRES_URL"]) as connection:
        picture = f"https://example.org/avatar-{mark}.png"  # from when these were taken
        connection.execute("UPDATE users SET avatar_url = %s WHERE id = %s", [picture, ana.id])
    about = {"about": f"About {mark}"}
    await ana.ok("PATCH /v1/users/me", about)
    token = {"token": f"push-{mark}", "platform": "android"}
    await ana.ok(f"PUT /v1/users/me/push-tokens/device-{mark}", token)
    wanted = {"email": f"wanted-{mark}@example.org", "password": PASSWORD}
    await ana.ok("POST /v1/users/me/email", wanted)
    marks = {
        "address": registration["email"],
        "wanted address": wanted["email"],
        "name": registration["display_name"],
        "about": about["about"],
        "avatar": f"avatar-{mark}",
        "device name": registration["device_name"],
        "push token": token["token"],
        "device id": f"device-{mark}",
        "device key": digest(device_key),
        "devices by address": f"devices:{{{digest('login ' + registration['email'])}}}",
        "devices by name": f"devices:{{{digest('login ' + registration['username'])}}}",
        "devices": f"devices:{{{digest('account ' + ana.id)}}}",
    }
    return ana, marks


def test_nothing_is_left_of_a_deleted_account_but_what_the_page_says(run: Run) -> None:
    async def scenario(people: People) -> None:
        mark = secrets.token_hex(6)
        ana, marks = await someone(people, mark)
        codes = await leave_traces(people, ana, mark, marks)
        at_s3 = await archived(people, ana, codes)
        marks["archive"] = at_s3.partition("exports/")[2].partition(".zip")[0]
        seen = {**marks, "last seen": last_seen(ana.id)}
        before = {what for what, _ in await asyncio.to_thread(found, people.cloud, seen)}
        assert before == set(seen), "the test would look for what was never there"
        name = {"name": marks["name"]}
        assert ("name", "redis profile") in await asyncio.to_thread(found, people.cloud, name)

        await ana.ok("POST /v1/users/me/delete", proof_of_both(codes))
        await people.told(ana, "- The account was deleted")
        async with asyncio.timeout(30):
            while (await fetched(people, at_s3))[0] != 404:
                await asyncio.sleep(0.2)
            while await asyncio.to_thread(found, people.cloud, {"archive": marks["archive"]}):
                await asyncio.sleep(0.2)

        assert await asyncio.to_thread(found, people.cloud, seen) == set()
        left = await asyncio.to_thread(found, people.cloud, {"mark": mark})
        messages = "messages" if _in_postgres(people.cloud) else "mongo messages"
        assert left == {("mark", messages)}
        again = {**PROOF, "email": marks["address"], "username": ana.username}
        again |= {"display_name": "Somebody else"}
        assert (await people.anonymous.call("POST /v1/auth/register", again)).status == 201

    run(scenario)


async def leave_traces(
    people: People, ana: User, mark: str, marks: dict[str, str]
) -> Iterator[str]:
    """Have a user leave a trace in each place. Adds to `marks`; returns the recovery codes."""
    bo = await people.new("bo")
    chat = await ana.chat_with(bo)
    assert (await bo.ok(f"GET /v1/users?ids={ana.id}"))["items"]  # and so it is cached
    await ana.send(chat, f"text {mark}")
    factor = await ana.ok("POST /v1/auth/second-factor", PROOF)
    code = {"code": pyotp.TOTP(factor["secret"]).now()}
    made = await ana.ok("POST /v1/auth/second-factor/confirm", code)
    codes: Iterator[str] = iter(made["recovery_codes"])
    marks["second factor"] = factor["secret"]
    given = await proof(people, f"google-{mark}@firm.example")
    await ana.ok("PUT /v1/users/me/google", {**proof_of_both(codes), **given})
    claims = jwt.decode(given["id_token"], options={"verify_signature": False})
    marks["google account"] = claims["sub"]
    await add(ana, device(people), f"Key of {mark}", second_factor=next(codes))
    marks["passkey"] = f"Key of {mark}"
    async with ana.socket() as socket:
        await socket.ask("ping")
    reset = {"email": marks["address"]}
    await people.anonymous.ok("POST /v1/auth/password/reset-request", reset)
    return codes


async def archived(people: People, ana: User, codes: Iterator[str]) -> str:
    """Have an archive made. Returns its address at S3."""
    await ana.ok("POST /v1/users/me/export", proof_of_both(codes))
    await ready(ana)
    link = await ana.ok("POST /v1/users/me/export/link", proof_of_both(codes))
    return await leads_to(people, link["url"])


def proof_of_both(codes: Iterator[str]) -> dict[str, str]:
    return {**PROOF, "second_factor": next(codes)}


def _in_postgres(cloud: Cloud) -> bool:
    return str(cloud.about["environment"]["MESSAGES_URL"]).startswith("postgres")
