"""Every route, action and event is for whom docs/access.md says."""

import asyncio
import re

import pytest
import websockets

from chalicelib.live.events import EVENTS
from chalicelib.oauth.scopes import SERVICE_SCOPES, USER_SCOPES
from docs.generators import access
from tests.client import PASSWORD, SECONDS, Api, Refused, Socket, User
from tests.e2e.conftest import People, Run
from tests.e2e.oauth.oauth import Browser, asking, post, registered, trade
from tests.stored import StoredChanges, stored_in

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


CHANGES = ("message.changed", "chat.changed")


def change(stored: StoredChanges, chat: str, user_id: str) -> None:
    """Cause CHANGES."""
    stored.edit(chat, 1, user_id, "hello again")
    stored.rename(chat, user_id, "A title")


def test_every_event_reaches_whom_the_table_says(run: Run) -> None:
    moving: dict[str, asyncio.Lock] = {}

    async def scenario(people: People) -> None:
        # test_socket_ends has the events that tell a socket why it closes.
        said = {name: who for name, who in table("Events").items() if EVENTS[name].scope}
        callers = await everybody(people)
        with stored_in(people.cloud) as stored:
            found = await asyncio.gather(
                *(heard(people, stored, caller, list(said)) for caller in callers.values())
            )
        for name, events in zip(callers, found, strict=True):
            assert events == {event: cells[name] for event, cells in said.items()}, name

    async def heard(
        people: People, stored: StoredChanges, caller: Api, events: list[str]
    ) -> dict[str, str]:
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
            await asyncio.to_thread(change, stored, chat, owner.id)
            for name in ("message.new", "chat.typing", "presence", *CHANGES):
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
