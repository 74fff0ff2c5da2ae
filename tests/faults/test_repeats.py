"""Each answer that a request waits for is lost in turn; its repetition finishes what was half done.

First the answer of a server that comes first, then the second one, and so on, until the request
needs no more of them.
"""

import asyncio
import itertools
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NamedTuple

import aiohttp
import psycopg
import pytest

from chalicelib.deadline import REQUEST_SECONDS
from tests.client import PASSWORD, Answer, Api, Socket, User, register
from tests.cloud import WIDE
from tests.faults.behind import CloudBehindProxies, Clouds
from tests.faults.lossy import Loss

NEW = "battery staple 24 horse"
BOUND = REQUEST_SECONDS + 5  # a busy machine


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clouds]:
    """With one worker, which is idle but for what the test asks."""
    options = ["--schedule-seconds", "0", "--workers", "1"]
    clouds = Clouds(tmp_path_factory.mktemp, *options, RATE_LIMITS=WIDE)
    yield clouds
    clouds.stop()


class People:
    """Ana, signed in twice and with a socket each, and Bo, who has one too. They chat. Di does not
    chat yet."""

    ana: User
    tablet: User
    bo: User
    di: User
    chat: str
    newest: Any
    sockets: dict[str, Socket]

    def __init__(self, cloud: CloudBehindProxies, http: aiohttp.ClientSession) -> None:
        self.anonymous = Api(cloud.http_url, http)
        self.name = f"cy_{secrets.token_hex(5)}"
        """Of a user who does not exist yet, and of anything else that is new."""
        self._url = cloud.about["environment"]["POSTGRES_URL"]

    async def gather(self) -> None:
        api = self.anonymous
        self.ana, self.bo, self.di = [
            await register(api.url, api.http, name) for name in ("ana", "bo", "di")
        ]
        await self.count(
            "WITH done AS (UPDATE users SET email_verified_at = now() WHERE id = %s RETURNING 1)"
            " SELECT count(*) FROM done",
            self.ana.id,
        )
        self.tablet = await self.ana.sign_in()
        self.chat = await self.ana.talk_with(self.bo)
        self.newest = await self.bo.send(self.chat, "news")
        people = {"ana": self.ana, "tablet": self.tablet, "bo": self.bo}
        self.sockets = {name: await user.connect() for name, user in people.items()}

    async def leave(self) -> None:
        for socket in self.sockets.values():
            await socket.close()

    async def login(self, name: str, password: str) -> Answer:
        return await self.anonymous.call(
            "POST /v1/auth/login", {"login": name, "password": password}
        )

    async def count(self, query: str, *values: Any) -> int:
        """What a query counts in PostgreSQL, asked directly."""

        def ask() -> int:
            with psycopg.connect(self._url) as connection:
                (found,) = connection.execute(query.encode(), values).fetchone() or (0,)
                return int(found)

        return await asyncio.to_thread(ask)


class Act(NamedTuple):
    """A request, and what must hold once it was answered. `again`: how a repetition may be answered
    where the first try did it all."""

    ask: Callable[[People], Awaitable[Answer]]
    check: Callable[[People, Answer], Awaitable[None]]
    done: tuple[int, ...]
    again: tuple[int, ...] = ()


def of(who: str, route: str, body: Any = None) -> Callable[[People], Awaitable[Answer]]:
    """A request of one of the people, in whose words `{…}` stand for what is theirs."""

    def filled(text: Any, people: People) -> Any:
        if isinstance(text, dict):
            return {key: filled(value, people) for key, value in text.items()}
        if text == "{seq}":
            return people.newest["seq"]
        known = {"name": people.name, "chat": people.chat, "di": people.di.id}
        known["token"] = people.tablet.signed_in["refresh_token"]
        return text.format(**known) if isinstance(text, str) else text

    async def ask(people: People) -> Answer:
        user: Api = getattr(people, who)
        return await user.call(filled(route, people), filled(body, people))

    return ask


async def is_registered_once(people: People, _: Answer) -> None:
    assert (await people.login(people.name, PASSWORD)).status == 200
    verifications = (
        "SELECT count(*) FROM mails m JOIN users u ON u.id::text = m.subject"
        " WHERE u.username = %s AND m.kind = 'verify'"
    )
    assert await people.count(verifications, people.name) == 1


async def is_signed_in(people: People, answer: Answer) -> None:
    user = Api(people.anonymous.url, people.anonymous.http, answer.body["access_token"])
    assert (await user.call("GET /v1/users/me")).status == 200
    body = {"refresh_token": answer.body["refresh_token"]}
    assert (await people.anonymous.call("POST /v1/auth/refresh", body)).status == 200


async def has_a_new_password(people: People, _: Answer) -> None:
    assert (await people.login(people.ana.username, PASSWORD)).status == 401
    assert (await people.login(people.ana.username, NEW)).status == 200
    assert (await people.ana.call("GET /v1/users/me")).status == 200
    await is_out(people, "tablet")
    assert await told(people, "password_changed") == 1


async def is_deleted(people: People, _: Answer) -> None:
    assert (await people.login(people.ana.username, PASSWORD)).status == 401
    for who in ("ana", "tablet"):
        await is_out(people, who)
    assert await told(people, "account_deleted") == 1
    tokens = "SELECT count(*) FROM push_tokens WHERE user_id = %s"
    assert await people.count(tokens, people.ana.id) == 0


async def is_signed_out(people: People, _: Answer) -> None:
    await is_out(people, "tablet")
    assert (await people.ana.call("GET /v1/users/me")).status == 200


async def is_out(people: People, who: str) -> None:
    user: User = getattr(people, who)
    assert (await user.call("GET /v1/users/me")).status == 401
    body = {"refresh_token": user.signed_in["refresh_token"]}
    assert (await people.anonymous.call("POST /v1/auth/refresh", body)).status == 401
    await people.sockets[who].closed()


async def told(people: People, kind: str) -> int:
    """How many mails Ana gets about something."""
    notices = "SELECT coalesce(sum(times), 0) FROM notices WHERE user_id = %s AND kind = %s"
    return await people.count(notices, people.ana.id, kind)


async def is_pushed_to(people: People, _: Answer) -> None:
    tokens = "SELECT count(*) FROM push_tokens WHERE user_id = %s AND token = %s"
    assert await people.count(tokens, people.ana.id, people.name) == 1


async def is_renamed(people: People, _: Answer) -> None:
    found = await people.bo.ok(f"GET /v1/users?ids={people.ana.id}")
    assert found["items"][0]["display_name"] == people.name


async def has_one_export(people: People, answer: Answer) -> None:
    assert answer.body["status"] in ("waiting", "making")
    exports = "SELECT count(*) FROM exports WHERE user_id = %s"
    assert await people.count(exports, people.ana.id) == 1


async def chats_once(people: People, answer: Answer) -> None:
    chat_id = answer.body["id"]
    assert [chat["id"] for chat in (await people.di.ok("GET /v1/chats"))["items"]] == [chat_id]
    sent = await people.di.send(chat_id, "hello")
    chats = {chat["id"]: chat for chat in (await people.ana.ok("GET /v1/chats"))["items"]}
    assert chats.keys() == {chat_id, people.chat}
    assert (chats[chat_id]["unread_count"], chats[chat_id]["last_message"]) == (1, sent)


async def has_sent_once(people: People, answer: Answer) -> None:
    for user in (people.ana, people.bo):
        items = (await user.ok(f"GET /v1/chats/{people.chat}/messages"))["items"]
        assert [m for m in items if m["client_id"] == people.name] == [answer.body]
    for who in ("tablet", "bo"):
        sent = lambda m: m["client_id"] == people.name  # noqa: E731
        assert await people.sockets[who].event("message.new", sent) == answer.body


async def has_read(people: People, _: Answer) -> None:
    assert (await people.ana.ok(f"GET /v1/chats/{people.chat}"))["unread_count"] == 0
    read = people.newest["seq"]
    await people.sockets["bo"].event("chat.receipt", lambda receipt: receipt["read_seq"] == read)


async def has_received(people: People, _: Answer) -> None:
    """Bo may learn of it only from the next receipt."""
    chat = await people.bo.ok(f"GET /v1/chats/{people.chat}")
    assert chat["partner"]["user_id"] == people.ana.id
    assert chat["partner"]["delivered_seq"] == people.newest["seq"]


PERSON = {
    "username": "{name}",
    "email": "{name}@example.org",
    "password": PASSWORD,
    "display_name": "Cy",
}
CHANGE = {"current_password": PASSWORD, "new_password": NEW}
TEXT = {"client_id": "{name}", "content": {"kind": "text", "text": "once"}}
ACCOUNTS = {
    "register": Act(
        of("anonymous", "POST /v1/auth/register", PERSON), is_registered_once, (201,), (409,)
    ),
    "sign in": Act(lambda p: p.login(p.ana.username, PASSWORD), is_signed_in, (200,)),
    "refresh": Act(
        of("anonymous", "POST /v1/auth/refresh", {"refresh_token": "{token}"}),
        is_signed_in,
        (200,),
    ),
    "change the password": Act(
        of("ana", "POST /v1/auth/password", CHANGE), has_a_new_password, (204,)
    ),
    "delete the account": Act(
        of("ana", "POST /v1/users/me/delete", {"password": PASSWORD}), is_deleted, (204,), (401,)
    ),
    "sign out": Act(of("tablet", "POST /v1/auth/logout"), is_signed_out, (204,), (401,)),
    "register a push token": Act(
        of(
            "ana",
            "PUT /v1/users/me/push-tokens/phone",
            {"token": "{name}", "platform": "android"},
        ),
        is_pushed_to,
        (204,),
    ),
    "change the name": Act(
        of("ana", "PATCH /v1/users/me", {"display_name": "{name}"}), is_renamed, (200,)
    ),
    "ask for an export": Act(
        of("ana", "POST /v1/users/me/export", {"password": PASSWORD}), has_one_export, (202,)
    ),
}
CHATS = {
    "open a chat": Act(
        of("ana", "POST /v1/chats", {"kind": "direct", "user_id": "{di}"}), chats_once, (200, 201)
    ),
    "send": Act(of("ana", "POST /v1/chats/{chat}/messages", TEXT), has_sent_once, (200, 201)),
    "read": Act(of("ana", "POST /v1/chats/{chat}/read", {"seq": "{seq}"}), has_read, (204,)),
    "receive": Act(
        of("ana", "POST /v1/chats/{chat}/delivered", {"seq": "{seq}"}), has_received, (204,)
    ),
}
CASES = [
    *(("mongo", server, act) for server in ("postgres", "redis") for act in ACCOUNTS),
    *(("mongo", server, act) for server in ("messages", "redis", "gateway") for act in CHATS),
    *(("postgres", "postgres", act) for act in CHATS),
]


every_case = pytest.mark.parametrize(
    ("store", "server", "what"),
    [pytest.param(*case, id="-".join(case).replace(" ", "_")) for case in CASES],
)


@every_case
def test_g2_a_repetition_finishes_what_a_lost_answer_left(
    clouds: Clouds, chance: random.Random, store: str, server: str, what: str
) -> None:
    for number in itertools.count(1):
        print(f"answer {number} of {server} is lost")
        loss = Loss(lambda answer, lost=number: answer == lost, chance, silent=False)  # type: ignore[misc]
        asyncio.run(attempt(clouds.on(store), server, what, loss))
        if not loss.lost:  # it needs no more answers
            return


@every_case
def test_g2_g9_so_it_does_if_an_answer_never_comes(
    clouds: Clouds, chance: random.Random, store: str, server: str, what: str
) -> None:
    number = chance.randint(1, 3)
    print(f"answer {number} of {server} never comes")
    loss = Loss(lambda answer: answer == number, chance, silent=True)
    asyncio.run(attempt(clouds.on(store), server, what, loss))


async def attempt(behind: CloudBehindProxies, server: str, what: str, loss: Loss) -> None:
    """Ask while answers are lost, repeat what was not answered, and look at what is there then."""
    act = {**ACCOUNTS, **CHATS}[what]
    async with aiohttp.ClientSession() as http, asyncio.timeout(90):
        people = People(behind, http)
        await people.gather()
        started = time.monotonic()
        with behind.proxies[server].losing(loss):
            answer = await act.ask(people)
        assert time.monotonic() - started < BOUND
        expected = act.done
        if answer.status not in expected:
            assert (answer.status, answer.code) == (503, "unavailable"), answer
            expected += act.again
            answer = await act.ask(people)
        assert answer.status in expected, answer
        await act.check(people, answer)
        await people.leave()
