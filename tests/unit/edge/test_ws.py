"""Frames: exactly one answer each, whatever is sent."""

import json
from collections import Counter
from dataclasses import replace
from typing import Any, NoReturn

import pytest
from chalice.app import WebsocketEvent

from chalicelib.deps import deps
from chalicelib.edge import frames, ws
from chalicelib.errors import AppError, ChatNotFound, RateLimited, Unauthorized, Unavailable
from chalicelib.identity import Identity
from chalicelib.limits.table import Use
from chalicelib.live.connections import Caller
from chalicelib.live.events import Event, Socket
from chalicelib.messages.models.requests import ReceiptUpdate
from chalicelib.scopes import SIGN_IN
from tests.unit.settings import settings

ANA = Caller(
    user_id="ana", session_id="s", connection_id="c1", scopes=frozenset({"chats", "chats.read"})
)


class FakeConnections:
    refusal: AppError | None = None
    too_many = False
    use: Use | None = None

    def refused(self, connection_id: str) -> bool:
        if isinstance(self.refusal, RateLimited) and self.refusal.details["retry_after"] > 9:
            raise Unavailable("redis")
        return self.too_many

    in_doubt = False

    def admit(self, connection_id: str, use: Use) -> Caller:
        self.use = use
        if self.refusal:
            raise self.refusal
        return replace(ANA, in_doubt=self.in_doubt)


class FakeGateway:
    def __init__(self) -> None:
        self.closed: list[tuple[str, Any]] = []

    def hang_up(self, sockets: list[Socket], why: Event) -> None:
        assert all(why.kind.may_reach(socket) for socket in sockets)
        self.closed += [(socket.connection_id, json.loads(why.to_wire())) for socket in sockets]


class FakePresence:
    def __init__(self) -> None:
        self.open: list[tuple[str, str]] = []
        self.broken: AppError | None = None
        self.ended = False

    def check(self, identity: Identity) -> None:
        if self.ended:
            raise Unauthorized()

    def connected(self, identity: Identity, connection_id: str) -> None:
        if identity.session_id == "revoked":
            raise Unauthorized()
        self.open.append((identity.user_id, connection_id))

    def disconnected(self, connection_id: str) -> None:
        if self.broken:
            raise self.broken
        self.open = [pair for pair in self.open if pair[1] != connection_id]


class FakeAuth:
    def redeem_ticket(self, ticket: str) -> Identity:
        if ticket != "t1":
            raise Unauthorized()
        return ANA

    def authenticate(self, authorization: str, use: Use) -> Identity:
        if authorization == "Bearer down":
            raise Unavailable("redis")
        if authorization == "Bearer fast":
            raise RateLimited(3)
        return TOKENS.get(authorization) or _refuse()


def _refuse() -> NoReturn:
    raise Unauthorized()


TOKENS = {
    "Bearer good": ANA,
    "Bearer openid": replace(ANA, client_id="board", scopes=frozenset({"openid"})),
    "Bearer narrowed": replace(ANA, client_id="board", scopes=frozenset({"chats.write"})),
    "Bearer sign-in": replace(ANA, scopes=frozenset({SIGN_IN})),
    "Bearer revoked": replace(ANA, session_id="revoked"),
}


class FakeThrottle:
    """Counts what is taken of each address, of which each has three."""

    def __init__(self) -> None:
        self.taken: Counter[tuple[str, str]] = Counter()

    def anonymous(self, use: Use) -> None:
        if self.taken[use.limit, use.address] == 3:
            raise RateLimited(9)
        self.taken[use.limit, use.address] += 1


def see(identity: Identity, data: ReceiptUpdate) -> ReceiptUpdate:
    if data.seq == 404:
        raise ChatNotFound(chat_id="x")
    if data.seq == 500:
        raise RuntimeError("hunter2")
    return data


def nothing(identity: Identity, data: ReceiptUpdate) -> None: ...


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> FakeConnections:
    connections = FakeConnections()
    monkeypatch.setitem(vars(deps), "settings", settings())
    monkeypatch.setitem(vars(deps), "auth", FakeAuth())
    monkeypatch.setitem(vars(deps), "connections", connections)
    monkeypatch.setitem(vars(deps), "gateway", FakeGateway())
    monkeypatch.setitem(vars(deps), "presence", FakePresence())
    monkeypatch.setitem(vars(deps), "throttle", FakeThrottle())
    monkeypatch.setattr(frames, "ACTIONS", {})
    frames.add_actions(
        {
            "see": frames.Action(see, scope="chats"),
            "nothing": frames.Action(nothing, scope="chats"),
            "admin": frames.Action(see, scope="admin"),
        }
    )
    return connections


def event(body: str | None = None, **more: Any) -> WebsocketEvent:
    context = {
        "domainName": "x",
        "stage": "api",
        "connectionId": "c1",
        "requestId": "r1",
        "identity": {"sourceIp": "192.0.2.1"},
    }
    return WebsocketEvent({"requestContext": context, "body": body, **more}, None)


def answer(body: Any) -> dict[str, Any]:
    text = body if isinstance(body, str) else json.dumps(body)
    result = ws.receive(event(text))
    assert result["statusCode"] == 200
    found: dict[str, Any] = json.loads(result["body"])
    return found


@pytest.mark.usefixtures("connections")
class TestReceive:
    def test_an_answer_names_the_request(self) -> None:
        assert answer({"id": "7", "action": "see", "data": {"seq": 1}}) == {
            "re": "7",
            "data": {"seq": 1},
        }

    def test_a_result_of_none_is_an_empty_object(self) -> None:
        assert answer({"id": "7", "action": "nothing", "data": {"seq": 1}}) == {
            "re": "7",
            "data": {},
        }

    @pytest.mark.parametrize(
        ("body", "re", "code"),
        [
            ("{", None, "bad_request"),
            ("", None, "bad_request"),
            ("[]", None, "bad_request"),
            ('"see"', None, "bad_request"),
            ('{"id": "\\ud800"}', None, "validation_failed"),
            ({"action": "see"}, None, "validation_failed"),
            ({"id": 7, "action": "see"}, None, "validation_failed"),
            ({"id": "", "action": "see"}, None, "validation_failed"),
            ({"id": "x" * 65, "action": "see"}, None, "validation_failed"),
            ({"id": "7"}, "7", "validation_failed"),
            ({"id": "7", "action": "see", "data": []}, "7", "validation_failed"),
            ({"id": "7", "action": "see", "data": {}}, "7", "validation_failed"),
            ({"id": "7", "action": "see", "data": {"seq": "1"}}, "7", "validation_failed"),
            ({"id": "7", "action": "see", "data": {"seq": 1, "x": 1}}, "7", "validation_failed"),
            ({"id": "7", "action": "see", "data": {"seq": 1}, "x": 1}, "7", "validation_failed"),
            ({"id": "7", "action": "shout"}, "7", "unknown_action"),
            ({"id": "7", "action": "__class__"}, "7", "unknown_action"),
            ({"id": "7", "action": "admin", "data": {"seq": 1}}, "7", "forbidden"),
            ({"id": "7", "action": "see", "data": {"seq": 404}}, "7", "chat_not_found"),
            ({"id": "7", "action": "see", "data": {"seq": 500}}, "7", "internal"),
            ('{"id": "7", "action": "see", "data": {"seq": NaN}}', "7", "bad_request"),
            (
                '{"id": "7", "action": "see", "data": ' + "[" * 300 + "]" * 300 + "}",
                "7",
                "bad_request",
            ),
            (
                '{"id": "7", "action": "see", "data": {"seq": ' + "9" * 5000 + "}}",
                "7",
                "bad_request",
            ),
            ('{"id": "7", "action": "see", "data": {"seq": 1e999}}', "7", "validation_failed"),
            ('\ufeff{"id": "7", "action": "see", "data": {"seq": 1}}', None, "bad_request"),
        ],
    )
    def test_g7_bad_frames_are_answered(self, body: Any, re: str | None, code: str) -> None:
        found = answer(body)

        assert (found["re"], found["error"]["code"]) == (re, code)
        assert "hunter2" not in json.dumps(found)

    @pytest.mark.parametrize(
        ("body", "re", "fields"),
        [
            (r'{"id": "7", "action": "see", "data": {"seq": "hi \ud83d"}}', "7", ["seq"]),
            (r'{"id": "7", "action": "see", "data": {"a": [1, {"b": "\udc00"}]}}', "7", ["a.1.b"]),
            (
                r'{"id": "7", "action": "see", "data": {"a\udc00": 1}}',
                "7",
                ["a\N{REPLACEMENT CHARACTER}"],
            ),
            (r'{"id": "7", "action": "s\ud800ee", "data": {}}', "7", ["action"]),
            (r'{"id": "7\ud800", "action": "see", "data": {}}', None, ["id"]),
            (r'{"id": "7", "action": "see", "data": "\ud800"}', "7", ["data"]),
            (r'{"id": "7", "\ud800\ud800": "\ud800"}', "7", ["\N{REPLACEMENT CHARACTER}" * 2]),
            (r'["\ud800"]', None, ["0"]),
        ],
    )
    def test_g7_an_unpaired_surrogate_is_reported_with_its_field(
        self, body: str, re: str | None, fields: list[str]
    ) -> None:
        found = answer(body)

        assert (found["re"], found["error"]["code"]) == (re, "validation_failed")
        assert [error["field"] for error in found["error"]["errors"]] == fields

    def test_an_error_is_answered_with_its_details(self) -> None:
        found = answer({"id": "7", "action": "see", "data": {"seq": 404}})

        assert found["error"]["chat_id"] == "x"


def test_a_socket_without_a_record_gets_an_error_and_is_closed(
    connections: FakeConnections,
) -> None:
    connections.refusal = Unauthorized()

    assert answer({"id": "7", "action": "see", "data": {"seq": 1}})["error"]["code"] == (
        "unauthorized"
    )
    why = {"event": "socket.closing", "data": {"reason": "unknown_socket"}}
    assert vars(deps)["gateway"].closed == [("c1", why)]


@pytest.mark.parametrize(
    ("refusal", "retry_after"), [(RateLimited(3), 3), (Unavailable("redis"), 2)]
)
def test_a_limited_socket_stays_connected(
    connections: FakeConnections, refusal: AppError, retry_after: int
) -> None:
    connections.refusal = refusal

    found = answer({"id": "7", "action": "see", "data": {"seq": 1}})

    assert (found["re"], found["error"]["retry_after"]) == ("7", retry_after)
    assert vars(deps)["gateway"].closed == []


class TestLimits:
    """Classes of limits, and sockets that go on beyond them."""

    @pytest.mark.parametrize(
        ("body", "use"),
        [
            (
                {"id": "7", "action": "post", "data": {"chat_id": "x"}},
                Use(limit="send", target="x"),
            ),
            (
                {"id": "7", "action": "post", "data": {"chat_id": "AB"}},
                Use(limit="send", target="ab"),
            ),
            ({"id": "7", "action": "post", "data": {"chat_id": 7}}, Use(limit="send")),
            ({"id": "7", "action": "post", "data": 7}, Use(limit="send")),
            ({"id": "7", "action": "see"}, Use()),
            ({"id": "7", "action": ["post"]}, Use()),
            ({"id": "7", "action": "shout", "data": {"chat_id": "x"}}, Use()),
            ("{", Use()),
            (
                {"id": "7", "action": "watch", "data": {"ids": ["a", "b", "b"]}},
                Use(limit="watch", cost=3),
            ),
            ({"id": "7", "action": "watch", "data": {"ids": []}}, Use(limit="watch")),
            ({"id": "7", "action": "watch", "data": {"ids": "abc"}}, Use(limit="watch")),
            ({"id": "7", "action": "watch", "data": {}}, Use(limit="watch")),
        ],
    )
    def test_a_frame_is_counted_by_its_action(
        self, connections: FakeConnections, body: Any, use: Use
    ) -> None:
        watch = frames.Action(see, scope="chats", limit="watch", counts="ids")
        frames.add_actions(
            {"post": frames.Action(see, scope="chats", limit="send"), "watch": watch}
        )

        answer(body)

        assert connections.use == use

    def test_a_socket_that_keeps_sending_gets_an_error_and_is_closed(
        self, connections: FakeConnections
    ) -> None:
        ws.connect(event(queryStringParameters={"ticket": "t1"}))
        connections.refusal, connections.too_many = RateLimited(3), True

        found = answer({"id": "7", "action": "see", "data": {"seq": 1}})

        assert (found["re"], found["error"]["code"]) == ("7", "rate_limited")
        why = {"event": "rate_limited", "data": {"retry_after": 3}}
        assert vars(deps)["gateway"].closed == [("c1", why)]
        assert vars(deps)["presence"].open == []

    def test_a_socket_is_answered_if_its_refusals_cannot_be_counted(
        self, connections: FakeConnections
    ) -> None:
        connections.refusal = RateLimited(10)

        found = answer({"id": "7", "action": "see", "data": {"seq": 1}})

        assert found["error"] == {**RateLimited(10).to_wire()}
        assert vars(deps)["gateway"].closed == []


@pytest.mark.usefixtures("connections")
class TestConnect:
    @pytest.mark.parametrize(
        ("more", "status"),
        [
            ({"queryStringParameters": {"ticket": "t1"}}, 200),
            ({"headers": {"Authorization": "Bearer good"}}, 200),
            ({"headers": {"authorization": "Bearer down"}}, 503),
            ({"headers": {"authorization": "Bearer fast"}}, 429),
            ({"headers": {"authorization": "Bearer bad"}}, 401),
            ({"headers": {"authorization": "Bearer revoked"}}, 401),
            ({"headers": {"authorization": "Bearer openid"}}, 403),
            ({"headers": {"authorization": "Bearer narrowed"}}, 403),
            ({"headers": {"authorization": "Bearer sign-in"}}, 403),
            ({"queryStringParameters": {"ticket": "t2"}}, 401),
            # A token in a URL ends up in logs, so it does not count there.
            ({"queryStringParameters": {"token": "good"}}, 401),
            ({}, 401),
        ],
    )
    def test_needs_a_ticket_or_a_bearer_token(self, more: dict[str, Any], status: int) -> None:
        assert ws.connect(event(**more)) == {"statusCode": status}
        assert vars(deps)["presence"].open == ([("ana", "c1")] if status == 200 else [])
        assert status == 200 or status in {error.status for error in ws.CONNECT.errors}
        taken = {("connect-refused", "192.0.2.1"): 1} if status in (401, 403) else {}
        assert vars(deps)["throttle"].taken == taken

    @pytest.mark.parametrize(
        ("offered", "chosen"),
        [
            (["parley.v1"], "parley.v1"),
            (["chat, parley.v1 ,v2.parley"], "parley.v1"),
            (["chat", "parley.v1"], "parley.v1"),
            (["parley.v1,parley.v1"], "parley.v1"),
            (["parley.v2"], None),
            (["Parley.v1"], None),
            (['"parley.v1"', "parley.v1;q=1", "xparley.v1", "parley.v1x"], None),
            (["", ",", " "], None),
            ([], None),
        ],
    )
    @pytest.mark.parametrize("name", ["Sec-WebSocket-Protocol", "sec-websocket-protocol"])
    def test_a_subprotocol_is_chosen_if_it_was_offered(
        self, name: str, offered: list[str], chosen: str | None
    ) -> None:
        ticket: dict[str, Any] = {"queryStringParameters": {"ticket": "t1"}}
        many = {**ticket, "multiValueHeaders": {"Host": ["x"], name: offered}}
        last = {**ticket, "headers": {"Host": "x", name: offered[-1]}} if offered else ticket
        answer: dict[str, Any] = {"statusCode": 200}
        if chosen:
            answer["headers"] = {"Sec-WebSocket-Protocol": chosen}

        assert ws.connect(event(**many)) == answer
        assert ws.connect(event(**last)) == answer
        refused = {**many, "queryStringParameters": {"ticket": "t2"}}
        assert ws.connect(event(**refused)) == {"statusCode": 401}

    def test_refusals_of_an_address_are_limited_and_valid_sockets_never_wait(self) -> None:
        bad: list[dict[str, Any]] = [
            {"queryStringParameters": {"ticket": "t2"}},
            {"headers": {"authorization": "Bearer openid"}},
        ]

        statuses = [ws.connect(event(**more))["statusCode"] for more in bad * 3]

        assert statuses == [401, 403, 401, 429, 429, 429]
        both: list[dict[str, Any]] = [
            {"queryStringParameters": {"ticket": "t1"}},
            {"headers": {"authorization": "Bearer good"}},
        ]
        for good in both:
            assert ws.connect(event(**good)) == {"statusCode": 200}
        assert sum(vars(deps)["throttle"].taken.values()) == 3

    def test_a_disconnect_is_forgotten_even_if_it_cannot_be_recorded(self) -> None:
        ws.connect(event(queryStringParameters={"ticket": "t1"}))

        assert ws.disconnect(event()) == {"statusCode": 200}
        assert vars(deps)["presence"].open == []
        vars(deps)["presence"].broken = Unavailable("redis")
        assert ws.disconnect(event()) == {"statusCode": 200}


def test_an_action_is_defined_once(connections: FakeConnections) -> None:
    with pytest.raises(ValueError, match="see"):
        frames.add_actions({"see": frames.Action(see, scope="x")})
