"""G4, G5: every route, socket, action and event, by callers who may and who may not.

Chats are walked by strangers in test_bad_input.py.
"""

import asyncio
import re
from typing import Any

import pytest
import websockets

from chalicelib.live.events import EVENTS
from chalicelib.oauth.registration import SERVICE_SCOPES, USER_SCOPES
from docs.generators import access
from tests.client import PASSWORD, SECONDS, Api, Refused, Socket, User
from tests.e2e.conftest import People, Run
from tests.e2e.oauth.oauth import Browser, asking, post, registered, trade

SOMEWHERE = "00000000-0000-7000-8000-0000000000ff"


async def routes(people: People) -> tuple[list[str], list[str]]:
    """The routes that need a session, and those that do not."""
    document = await people.anonymous.ok("GET /v1/openapi.json")
    closed: list[str] = []
    open_: list[str] = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            filled = path
            for parameter in operation["parameters"]:
                filled = filled.replace(f"{{{parameter['name']}}}", SOMEWHERE)
            needs_session = {"bearer": []} in operation["security"]
            (closed if needs_session else open_).append(f"{method.upper()} {filled}")
    return closed, open_


def test_only_these_routes_are_open_to_anonymous(run: Run) -> None:
    async def scenario(people: People) -> None:
        closed, open_ = await routes(people)
        assert sorted(open_) == [
            "GET /.well-known/jwks.json",
            "GET /.well-known/oauth-authorization-server",
            "GET /.well-known/oauth-protected-resource",
            "GET /.well-known/openid-configuration",
            "GET /oauth2/authorize",
            "GET /oauth2/google",
            "GET /oauth2/logout",
            "GET /v1/asyncapi.json",
            "GET /v1/auth/google",
            "GET /v1/errors",
            "GET /v1/export",
            "GET /v1/health",
            "GET /v1/openapi.json",
            "GET /v1/ready",
            "HEAD /.well-known/jwks.json",
            "HEAD /.well-known/oauth-authorization-server",
            "HEAD /.well-known/oauth-protected-resource",
            "HEAD /.well-known/openid-configuration",
            "HEAD /v1/asyncapi.json",
            "HEAD /v1/auth/google",
            "HEAD /v1/errors",
            "HEAD /v1/health",
            "HEAD /v1/openapi.json",
            "HEAD /v1/ready",
            "POST /oauth2/authorize",
            "POST /oauth2/introspect",
            "POST /oauth2/logout",
            "POST /oauth2/revoke",
            "POST /oauth2/token",
            "POST /v1/auth/google",
            "POST /v1/auth/login",
            "POST /v1/auth/login/passkey",
            "POST /v1/auth/login/passkey/begin",
            "POST /v1/auth/password/reset",
            "POST /v1/auth/password/reset-request",
            "POST /v1/auth/refresh",
            "POST /v1/auth/register",
        ]
        for route in closed:
            answer = await people.anonymous.call(route, {})
            assert (answer.status, answer.code) == (401, "unauthorized"), route

    run(scenario)


BY_STAFF = {
    "suspended": ("POST /v1/admin/users/{}/suspend", {"reason": "Spam"}),
    "role taken": ("DELETE /v1/admin/users/{}/roles/moderator", None),
    "revoked by an admin": ("DELETE /v1/admin/users/{}/sessions", None),
}


def table(section: str) -> dict[str, dict[str, str]]:
    """docs/access.md: what each caller is answered, or whether they hear, by the rows' names."""
    found: dict[str, dict[str, str]] = {}
    (text,) = (p for p in access.PATH.read_text().split("\n## ") if p.startswith(f"{section}\n"))
    for line in text.splitlines():
        if line.startswith("| `"):
            name, _, *answers = (cell.strip("` ") for cell in line.strip("|").split("|"))
            found[name] = dict(zip(access.CALLERS, answers, strict=True))
    return found


class Session(Api):
    """A session of a user that is not one of our own clients'."""

    def __init__(self, people: People, token: str, owner: User) -> None:
        super().__init__(people.cloud.http_url, people.http, token)
        self.owner = owner


async def everybody(people: People) -> dict[str, Api]:
    """Callers of each kind, as the table calls them."""
    user, gone, banned, lender, moderator, admin = await asyncio.gather(
        *(people.new() for _ in range(4)), people.staff("moderator"), people.staff("admin")
    )
    await gone.ok("POST /v1/auth/logout")
    await moderator.ok(f"POST /v1/admin/users/{banned.id}/suspend", {"reason": "Spam"})
    lent = await asyncio.to_thread(programs, people, lender)
    return {
        "anonymous": people.anonymous,
        "user": user,
        "moderator": moderator,
        "admin": admin,
        **lent,
        "signed out": gone,
        "suspended": banned,
    }


def programs(people: People, user: User) -> dict[str, Api]:
    """A program that a user let do everything, one that was only told who they are, the page that
    they agreed on, and a program in its own name."""
    program = registered(people.cloud, scopes=[*USER_SCOPES, *SERVICE_SCOPES])
    url, browser = people.cloud.http_url, Browser(people.cloud.http_url)

    def lent(scope: str) -> Session:
        page = browser.agree(asking(url, program, scope=scope), user)
        token = trade(url, program, page.back["code"]).json()["access_token"]
        return Session(people, token, user)

    own = post(url, "/oauth2/token", program, grant_type="client_credentials").json()
    return {
        "granted": lent(" ".join(USER_SCOPES)),
        "openid": lent("openid"),
        "sign-in page": Session(people, browser.http.cookies["parley-sign-in"], user),
        "service": Api(url, people.http, own["access_token"]),
    }


async def opened(people: People, caller: Api) -> Socket | str:
    """A socket that a caller opened with their token, or what they were answered."""
    headers = {"Authorization": f"Bearer {caller.token}"} if caller.token else {}
    try:
        connection = await websockets.connect(
            people.cloud.socket_url, additional_headers=headers, open_timeout=SECONDS
        )
    except websockets.InvalidStatus as refused:
        return REFUSALS[refused.response.status_code]
    return Socket(connection)


REFUSALS = {401: access.UNKNOWN, 403: access.REFUSED}


def answered(status: int, code: str | None) -> str:
    """As the table puts it. What is refused for other reasons is open to the caller."""
    return f"{status} {code}" if code in ("unauthorized", "forbidden") else access.YES


def test_every_route_answers_everybody_as_the_table_says(run: Run) -> None:
    async def scenario(people: People) -> None:
        said = table("Routes")
        document = await people.anonymous.ok("GET /v1/openapi.json")
        assert said.keys() == {
            f"{method.upper()} {path}"
            for path, operations in document["paths"].items()
            for method in operations
        }
        callers = await everybody(people)
        assert list(callers) == list(access.CALLERS)

        async def walk(caller: Api) -> dict[str, str]:
            return {route: await ask(caller, route) for route in said}

        found = dict(zip(callers, await asyncio.gather(*map(walk, callers.values())), strict=True))
        assert {name: {c: found[c][name] for c in callers} for name in said} == said

    async def ask(caller: Api, route: str) -> str:
        if route.endswith("/logout") and isinstance(caller, User):
            # A caller that may sign out does it in a session of its own.
            other = User(caller.url, caller.http)
            login = {"login": caller.username, "password": PASSWORD}
            answer = await other.call("POST /v1/auth/login", login)
            may = (await caller.call("GET /v1/users/me")).status == 200
            other.token = answer.body["access_token"] if may else caller.token
            caller = other
        path = re.sub(r"\{\w+\}", SOMEWHERE, route.replace("{role}", "moderator"))
        answer = await caller.call(path, {})
        return answered(answer.status, answer.code)

    run(scenario)


def test_every_action_answers_everybody_as_the_table_says(run: Run) -> None:
    async def scenario(people: People) -> None:
        said = table("Actions")
        assert said
        for name, caller in (await everybody(people)).items():
            expected = {action: cells[name] for action, cells in said.items()}
            assert await walk(people, caller, list(said)) == expected, name

    async def walk(people: People, caller: Api, actions: list[str]) -> dict[str, str]:
        socket = await opened(people, caller)
        if isinstance(socket, str):
            return dict.fromkeys(actions, socket)
        found = {action: await ask(socket, action) for action in actions}
        await socket.close()
        return found

    async def ask(socket: Socket, action: str) -> str:
        try:
            await socket.ask(action)
        except Refused as refused:
            return answered(403, refused.code)
        return access.YES

    run(scenario)


def test_a_socket_opens_for_whom_the_table_says_by_token_and_by_ticket(run: Run) -> None:
    async def scenario(people: People) -> None:
        said = table("Opening a socket")["$connect"]
        for name, caller in (await everybody(people)).items():
            assert await by_token(people, caller) == said[name], name
            assert await by_ticket(caller) == said[name], name

    async def by_token(people: People, caller: Api) -> str:
        socket = await opened(people, caller)
        if isinstance(socket, str):
            return socket
        await socket.ask("ping")
        await socket.close()
        return access.YES

    async def by_ticket(caller: Api) -> str:
        answer = await caller.call("POST /v1/socket-tickets")
        if answer.status != 201:
            return REFUSALS[answer.status]
        socket = await User(caller.url, caller.http).open(answer.body)
        await socket.ask("ping")
        await socket.close()
        return access.YES

    run(scenario)


def test_every_event_reaches_whom_the_table_says(run: Run) -> None:
    moving: dict[str, asyncio.Lock] = {}

    async def scenario(people: People) -> None:
        # test_socket_ends has the events that tell a socket why it closes.
        said = {name: who for name, who in table("Events").items() if EVENTS[name].scope}
        callers = await everybody(people)
        found = await asyncio.gather(
            *(heard(people, caller, list(said)) for caller in callers.values())
        )
        for name, events in zip(callers, found, strict=True):
            assert events == {event: cells[name] for event, cells in said.items()}, name

    async def heard(people: People, caller: Api, events: list[str]) -> dict[str, str]:
        socket = await opened(people, caller)
        if isinstance(socket, str):
            return dict.fromkeys(events, access.NO)
        owner = caller.owner if isinstance(caller, Session) else caller
        assert isinstance(owner, User)
        friend = await people.new("friend")
        chat = await owner.talk_with(friend)
        await socket.ask("presence.watch", {"user_ids": [friend.id]})
        await owner.sign_in()
        async with moving.setdefault(owner.id, asyncio.Lock()):  # a newer change ends the older
            await people.move(owner)
        async with friend.socket() as other:
            await other.ask("chat.typing", {"chat_id": chat, "typing": True})
            sent = await owner.send(chat, "hello")
            await other.ask("chat.read", {"chat_id": chat, "seq": sent["seq"]})
            # What was caused before the receipt was posted before it.
            await socket.event("chat.receipt", lambda data: data["user_id"] == friend.id)
            for name in ("message.new", "chat.typing", "presence"):
                await socket.event(name)
        names = {event["event"] for event in socket.events}
        assert names <= set(events)
        await socket.close()
        return {event: access.YES if event in names else access.NO for event in events}

    run(scenario)


@pytest.mark.parametrize(
    "how",
    [
        *["logout", "revoked", "others revoked", "password", "deleted"],
        *["suspended", "role taken", "revoked by an admin"],
    ],
)
def test_g5_a_revoked_session_is_refused_everywhere_at_once(run: Run, how: str) -> None:
    async def scenario(people: People) -> None:
        closed, _ = await routes(people)
        ana = await people.new("ana")
        desk = await ana.sign_in()
        async with ana.socket() as socket:
            await (act(people, ana) if how in BY_STAFF else revoke(ana, desk))
            for route in closed:
                answer = await ana.call(route, {})
                assert (answer.status, answer.code) == (401, "unauthorized"), route
            refresh = {"refresh_token": ana.signed_in["refresh_token"]}
            assert (await people.anonymous.call("POST /v1/auth/refresh", refresh)).status == 401
            with pytest.raises((Refused, ConnectionError, websockets.ConnectionClosed)):
                await socket.ask("ping")
            await socket.closed()
        status = 401 if how == "deleted" or how in BY_STAFF else 200
        assert (await desk.call("GET /v1/users/me")).status == status

    async def act(people: People, ana: User) -> None:
        admin = await people.staff("admin")
        route, body = BY_STAFF[how]
        await admin.ok(route.format(ana.id), body)

    async def revoke(ana: User, desk: User) -> None:
        session = ana.signed_in["session_id"]
        password = {"current_password": PASSWORD, "new_password": PASSWORD + "!"}
        route, body = {
            "logout": ("POST /v1/auth/logout", None),
            "revoked": (f"DELETE /v1/auth/sessions/{session}", None),
            "others revoked": ("DELETE /v1/auth/sessions", None),
            "password": ("POST /v1/auth/password", password),
            "deleted": ("POST /v1/users/me/delete", {"password": PASSWORD}),
        }[how]
        await (ana if how == "logout" else desk).ok(route, body)

    run(scenario)


def test_a_session_of_somebody_else_cannot_be_revoked(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, eve = await asyncio.gather(people.new("ana"), people.new("eve"))
        session = ana.signed_in["session_id"]

        assert (await eve.call(f"DELETE /v1/auth/sessions/{session}")).status == 404
        await eve.ok("DELETE /v1/auth/sessions")
        assert (await ana.call("GET /v1/users/me")).status == 200

    run(scenario)


def test_a_public_profile_shows_no_address(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo = await asyncio.gather(people.new("ana"), people.new("bo"))
        email = ana.signed_in["user"]["email"]
        for route in (f"GET /v1/users/{ana.id}", f"GET /v1/users?username={ana.username}"):
            found: Any = await bo.ok(route)
            assert ana.id in str(found)
            assert email not in str(found)
            assert "@" not in str(found)
        assert (await bo.call("GET /v1/users")).status == 422

    run(scenario)


def test_a_deleted_account_leaves_its_messages_and_nothing_else(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo, chat = await people.pair()
        sent = await ana.send(chat, "still here")
        token = {"token": f"phone-{ana.id}", "platform": "android"}
        await ana.ok("PUT /v1/users/me/push-tokens/phone", token)
        wrong = await ana.call("POST /v1/users/me/delete", {"password": "wrong wrong wrong"})
        assert wrong.status in (401, 403)

        await ana.ok("POST /v1/users/me/delete", {"password": PASSWORD})

        assert (await bo.ok(f"GET /v1/chats/{chat}/messages"))["items"] == [sent]
        profile = await bo.ok(f"GET /v1/users/{ana.id}")
        assert profile["deleted"]
        assert "Ana" not in str(profile)
        assert ana.username not in str(profile)
        login = {"login": ana.username, "password": PASSWORD}
        assert (await people.anonymous.call("POST /v1/auth/login", login)).status == 401
        new = {"kind": "direct", "user_id": ana.id}
        stranger = await people.new()
        assert (await stranger.call("POST /v1/chats", new)).code == "user_not_found"
        assert await bo.send(chat, "into the void")

    run(scenario)


def test_a_phone_that_changed_hands_is_pushed_to_for_its_new_owner_alone(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo, chat = await people.pair()
        cy = await people.new("cy")
        token = {"token": f"phone-{bo.id}", "platform": "android", "device_key": "k" * 22}
        await bo.ok("PUT /v1/users/me/push-tokens/phone", token)
        await cy.ok("PUT /v1/users/me/push-tokens/phone", token)
        other = await ana.chat_with(cy)
        await ana.send(chat, "for bo")
        await ana.send(other, "for cy")
        async with asyncio.timeout(20):
            while not (shown := await pushes(people.anonymous, token["token"])):
                await asyncio.sleep(0.1)
        await asyncio.sleep(1)
        assert {push["body"] for push in shown} == {"for cy"}
        assert {push["body"] for push in await pushes(people.anonymous, token["token"])} == {
            "for cy"
        }

    run(scenario)


def test_who_knows_the_token_of_another_neither_silences_nor_reads_their_pushes(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo, chat = await people.pair()
        eve = await people.new("eve")
        token = {"token": f"phone-{bo.id}", "platform": "android"}
        await bo.ok("PUT /v1/users/me/push-tokens/phone", {**token, "device_key": "k" * 22})
        stolen = {**token, "device_key": "e" * 22}
        await eve.ok("PUT /v1/users/me/push-tokens/phone", stolen)
        chats = {chat, await ana.chat_with(eve)}
        for one in chats:
            await ana.send(one, "a word")

        async with asyncio.timeout(20):
            while len(shown := await pushes(people.anonymous, token["token"])) < 2:
                await asyncio.sleep(0.1)
        assert {push["data"]["chat_id"] for push in shown} == chats
        assert {(push["title"], push["body"]) for push in shown} == {("Parley", "New message")}
        await eve.ok("POST /v1/auth/logout")
        await ana.send(chat, "for bo")
        async with asyncio.timeout(20):
            while "for bo" not in {
                push["body"] for push in await pushes(people.anonymous, token["token"])
            }:
                await asyncio.sleep(0.1)

    run(scenario)


async def pushes(api: Api, token: str) -> list[Any]:
    items = (await api.ok("GET /_local/pushes"))["items"]
    return [push for push in items if push["token"] == token]
