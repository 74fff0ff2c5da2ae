"""Local clouds for the end-to-end tests, with their waits made short: one that nearly all share,
and one that keeps its chats in PostgreSQL."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.client import PASSWORD, Api, User, register
from tests.cloud import WIDE, Cloud
from tests.e2e.oauth.oauth import Browser, Program, registered


@pytest.fixture(scope="session", params=["mongo"])
def cloud(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cloud]:
    yield from serve(tmp_path_factory.mktemp("cloud"), request.param)


def serve(state: Path, messages: str) -> Iterator[Cloud]:
    """A cloud that keeps its chats in `messages`, until the tests are done with it."""
    cloud = Cloud(
        state,
        "--messages",
        messages,
        "--schedule-seconds",
        "1",
        PENDING_AFTER_SECONDS="3",
        DELIVERED_WITHIN_SECONDS="2",
        # Every test registers people, and all of them come from one address.
        RATE_LIMITS=WIDE,
        ARGON2_TIME_COST="1",
        ARGON2_MEMORY_KIB="8",
    )
    with cloud:
        yield cloud


class People:
    """What a test works with: people who can sign in, and a caller who did not."""

    def __init__(self, cloud: Cloud, http: aiohttp.ClientSession) -> None:
        self.cloud = cloud
        self.http = http
        self.anonymous = Api(cloud.http_url, http)

    async def new(self, name: str = "user") -> User:
        return await register(self.anonymous.url, self.http, name)

    async def staff(self, role: str) -> User:
        """Somebody who was given a role by the command, and has signed in since."""
        user = await self.new(role)
        grant = {"task": "grant", "username": user.username, "role": role}
        await asyncio.to_thread(self.cloud.maintain, **grant)
        return await user.sign_in()

    async def mails(self, user: User) -> list[dict[str, str]]:
        """What was mailed to somebody by now, newest first."""
        to = user.signed_in["user"]["email"]
        items = (await self.anonymous.ok("GET /_local/mails"))["items"]
        return [mail for mail in items if mail["to"] == to]

    async def mailed(self, user: User, count: int = 1) -> list[str]:
        """The tokens of links mailed to somebody, newest first, once there are so many."""
        async with asyncio.timeout(60):
            while True:
                texts = [mail["text"] for mail in await self.mails(user)]
                links = [text for text in texts if "#verify=" in text or "#reset=" in text]
                if len(links) >= count:
                    return [text.partition("=")[2].partition("\n")[0] for text in links]
                await asyncio.sleep(0.1)

    async def told(self, user: User, what: str) -> str:
        """The mail that tells somebody of something, once it is there."""
        async with asyncio.timeout(60):
            while True:
                for mail in await self.mails(user):
                    if what in mail["text"]:
                        return mail["text"]
                await asyncio.sleep(0.1)

    async def verified(self, name: str = "user") -> User:
        """Somebody who has followed the link to their address."""
        user = await self.new(name)
        (link,) = await self.mailed(user)
        await user.ok("POST /v1/auth/email/verify", {"token": link})
        return user

    async def move(self, user: User) -> str:
        """Give somebody another address; it is answered."""
        address = f"{uuid.uuid4().hex}@example.net"
        await user.ok("POST /v1/users/me/email", {"email": address, "password": PASSWORD})
        at_new = User(user.url, user.http)
        at_new.signed_in = {"user": {"email": address}}
        (link,) = await self.mailed(at_new)
        await user.ok("POST /v1/auth/email/verify", {"token": link})
        return address

    async def pair(self) -> tuple[User, User, str]:
        """Two people and their chat."""
        ana, bo = await asyncio.gather(self.new("ana"), self.new("bo"))
        return ana, bo, await ana.chat_with(bo)

    async def friends(self) -> tuple[User, User, str]:
        """Two people and their chat, in which both have written."""
        ana, bo = await asyncio.gather(self.new("ana"), self.new("bo"))
        return ana, bo, await ana.talk_with(bo)


Run = Callable[[Callable[[People], Awaitable[Any]]], Any]


@pytest.fixture
def run(cloud: Cloud) -> Run:
    """Runs `async def scenario(people)` against the cloud, for three minutes at most."""

    def run(scenario: Callable[[People], Awaitable[Any]]) -> Any:
        async def whole() -> Any:
            async with aiohttp.ClientSession() as http, asyncio.timeout(180):
                return await scenario(People(cloud, http))

        return asyncio.run(whole())

    return run


@pytest.fixture(scope="session")
def program(cloud: Cloud) -> Program:
    """A confidential client."""
    return registered(cloud)


@pytest.fixture
def browser(cloud: Cloud) -> Iterator[Browser]:
    browser = Browser(cloud.http_url)
    yield browser
    browser.http.close()


@pytest.fixture
def ana(run: Run) -> User:
    """Somebody with an account."""

    async def scenario(people: People) -> User:
        return await people.new("ana")

    user: User = run(scenario)
    return user
