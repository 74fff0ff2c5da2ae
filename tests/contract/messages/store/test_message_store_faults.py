"""What the real stores do when their server is away, frozen, or hangs up."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from chalicelib.errors import Unavailable
from chalicelib.ids import new_id
from chalicelib.messages.events import ChatEvent
from chalicelib.messages.models.changes import Stored
from chalicelib.messages.store import MessageStore
from chalicelib.messages.store.chats import Chats
from chalicelib.messages.store.cursors import Cursors
from chalicelib.messages.store.outbox import Outbox
from chalicelib.messages.store.timeline import Timeline
from chalicelib.wire import now
from tests.contract.messages.store.room import Room
from tests.messaging import made
from tests.proxy import Proxy

BOUND = 12  # every wait of a call, one after the other, and a busy machine
StoreAt = Callable[[str], MessageStore]

CALLS: dict[str, Callable[[MessageStore, Room], object]] = {
    "chats.open_direct": lambda s, r: s.chats.open_direct(r.id, members=(r.ana, r.bo), at=now()),
    "timeline.append": lambda s, r: s.timeline.append(r.new(r.ana), unanswered=3),
    "outbox.settle": lambda s, r: s.outbox.settle(made(r.new(r.ana).at(1))),
    "outbox.pending": lambda s, r: s.outbox.pending(before=now(), limit=9),
    "outbox.unpublished": lambda s, r: s.outbox.unpublished(limit=9),
    "outbox.published": lambda s, r: s.outbox.published(
        [r.event, ChatEvent.of(r.new(r.ana).at(1))]
    ),
    "chats.get": lambda s, r: s.chats.get(r.id, member=r.ana),
    "chats.members": lambda s, r: s.chats.members(r.id, member=r.ana, limit=9),
    "chats.rename": lambda s, r: s.chats.rename(r.id, member=r.ana, title="Friends"),
    "timeline.revise": lambda s, r: s.timeline.revise(r.id, 1, member=r.ana, content=None),
    "chats.page": lambda s, r: s.chats.page(r.ana, limit=9),
    "timeline.history": lambda s, r: s.timeline.history(r.id, member=r.ana, before=None, limit=9),
    "timeline.changes": lambda s, r: s.timeline.changes(r.id, member=r.ana, since=0, limit=9),
    "chats.news": lambda s, r: s.chats.news(r.ana, known={}, limit=9),
    "cursors.move": lambda s, r: s.cursors.move(r.id, member=r.ana, read=1),
    "cursors.observers": lambda s, r: s.cursors.observers(r.id, member=r.ana),
    "chats.acquainted": lambda s, r: s.chats.acquainted(r.ana, [r.bo]),
    "cursors.of": lambda s, r: s.cursors.of([(r.id, r.ana)]),
    "timeline.undelivered": lambda s, r: s.timeline.undelivered(
        r.id, member=r.ana, since=1, until=9, limit=9
    ),
    "timeline.now": lambda s, r: s.timeline.now(),
    "ping": lambda s, r: s.ping(),
}


@pytest.fixture(params=["mongo", "postgres"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(kind: str, request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{kind}_store_url"))


@pytest.fixture
def store_at(kind: str, request: pytest.FixtureRequest) -> StoreAt:
    found: StoreAt = request.getfixturevalue(f"{kind}_at")
    return found


@pytest.fixture
def proxy(url: str) -> Iterator[Proxy]:
    parts = urlsplit(url)
    with Proxy(parts.hostname or "", parts.port or 0) as proxy:
        yield proxy


@pytest.fixture
def far(url: str, proxy: Proxy, store_at: StoreAt) -> MessageStore:
    """A store that reaches its server through the proxy, and has done so."""
    return store_at(_at_port(url, proxy.port))


@pytest.fixture
def room(url: str, store_at: StoreAt) -> Room:
    return Room(store_at(url))


def test_every_method_knows_the_server_is_frozen(
    url: str, proxy: Proxy, store_at: StoreAt, room: Room
) -> None:
    parts = {"chats": Chats, "timeline": Timeline, "outbox": Outbox, "cursors": Cursors}
    methods = {f"{name}.{method}" for name, part in parts.items() for method in vars(part)} | {
        *vars(MessageStore)
    }
    assert set(CALLS) == {name for name in methods if "._" not in name and name[0] != "_"}
    stores = {name: store_at(_at_port(url, proxy.port)) for name in CALLS}
    for store in stores.values():
        store.ping()
    proxy.freeze()

    with ThreadPoolExecutor(len(CALLS)) as pool:
        took = list(pool.map(lambda name: _refused(CALLS[name], stores[name], room), CALLS))

    assert max(took) < BOUND


def test_a_first_call_knows_the_server_is_frozen(
    far: MessageStore, proxy: Proxy, room: Room
) -> None:
    proxy.freeze()

    assert _refused(CALLS["timeline.append"], far, room) < BOUND


def test_a_first_call_knows_the_server_is_not_there(
    url: str, store_at: StoreAt, room: Room
) -> None:
    store = store_at(_at_port(url, 1))

    assert _refused(CALLS["timeline.append"], store, room) < BOUND


def test_a_send_cut_off_by_a_freeze_is_stored_once_when_repeated(
    far: MessageStore, proxy: Proxy, room: Room
) -> None:
    """The frozen server may have the request already, and carry it out when it wakes up."""
    far.ping()
    new = room.new(room.ana)
    proxy.freeze()
    with pytest.raises(Unavailable):
        far.timeline.append(new, unanswered=3)
    proxy.thaw()

    again = _until_available(lambda: room.append(new.model_copy(update={"id": new_id()}), far))

    assert room.all() == [again.message]
    assert again.message.client_id == new.client_id


def test_hanging_up_is_survived_by_the_next_call(
    far: MessageStore, proxy: Proxy, room: Room
) -> None:
    far.ping()
    proxy.cut()
    time.sleep(1.5)  # what pymongo takes a connection for fresh without looking at it

    stored = room.append(room.new(room.ana), far)

    assert room.all() == [stored.message]


def test_g9_a_silent_network_costs_no_send_and_nothing_that_reads(
    url: str, proxy: Proxy, store_at: StoreAt, room: Room
) -> None:
    """It forgot the connection, and does not tell."""
    said = room.say(room.ana)
    writing = {"chats.open_direct", "chats.rename", "timeline.revise", "cursors.move"}
    names = set(CALLS) - writing
    stores = {name: store_at(_at_port(url, proxy.port)) for name in names}
    for store in stores.values():
        store.ping()
    proxy.forget()

    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: CALLS[name](stores[name], room), names))

    assert len(room.all()) == 2
    assert said in room.all()


def _at_port(url: str, port: int) -> str:
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user}{at}127.0.0.1:{port}").geturl()


def _refused(
    call: Callable[[MessageStore, Room], object], store: MessageStore, room: Room
) -> float:
    """How long the call took to raise Unavailable."""
    started = time.monotonic()
    with pytest.raises(Unavailable):
        call(store, room)
    return time.monotonic() - started


def _until_available(call: Callable[[], Stored]) -> Stored:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with suppress(Unavailable):
            return call()
        time.sleep(0.1)
    return call()
