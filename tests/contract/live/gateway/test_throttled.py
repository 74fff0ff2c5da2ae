"""API Gateway answers 429: the rate of the account is used up, or a client does not read."""

from chalicelib import metrics
from chalicelib.live.connections import Connections
from chalicelib.live.gateway import Gateway
from chalicelib.live.models import Owed
from chalicelib.live.posts import BACKOFF_SECONDS
from tests.contract.live.gateway.management import Management
from tests.contract.live.gateway.told import CHAT, SENT, deliver, online, wait_until_overdue
from tests.contract.posts import EVENT


def test_a_post_that_is_429_is_tried_again_after_a_while(
    gateway: Gateway, connections: Connections, management: Management
) -> None:
    online(connections, "bo", "busy1")

    assert deliver(gateway, "bo") == (set(), False)
    assert len(management.calls) == 3


def test_one_that_stays_429_fails_and_is_counted_and_the_event_is_still_owed(
    gateway: Gateway, connections: Connections, management: Management
) -> None:
    online(connections, "bo", "full1")
    metrics.begin()

    assert deliver(gateway, "bo") == (set(), True)

    assert len(management.calls) == 1 + len(BACKOFF_SECONDS)
    assert '"PostsThrottled":1' in "".join(metrics.lines("dev"))
    wait_until_overdue()
    assert connections.claim_overdue(100) == [Owed("bo", CHAT, 3, since=3)]


def test_a_client_that_does_not_read_is_waited_for_once(
    gateway: Gateway, connections: Connections, management: Management
) -> None:
    online(connections, "bo", "full1")
    deliver(gateway, "bo")
    management.calls.clear()

    for seq in range(4, 9):
        assert deliver(gateway, "bo", seq=seq).failed

    assert len(management.calls) == 5


def test_events_that_need_no_acknowledgement_wait_for_nobody(
    gateway: Gateway, connections: Connections, management: Management
) -> None:
    online(connections, "bo", "full1", "b1")

    gateway.tell(["bo"], EVENT)

    assert sorted(management.calls) == [("POST", "b1", SENT), ("POST", "full1", SENT)]


def test_a_client_that_reads_nothing_also_at_the_second_delivery_is_closed(
    gateway: Gateway, connections: Connections, management: Management
) -> None:
    online(connections, "bo", "full1")
    online(connections, "cy", "full2", "c1")
    deliver(gateway, "bo", "cy")

    delivery = deliver(gateway, "bo", "cy", again=True)

    assert delivery == ({"bo"}, False)
    assert {name for method, name, _ in management.calls if method == "DELETE"} == {
        "full1",
        "full2",
    }
    assert [s.connection_id for s in connections.of(["bo", "cy"])] == ["c1"]


def test_none_is_closed_or_dropped_while_the_rate_of_the_account_is_used_up(
    gateway: Gateway, connections: Connections, management: Management
) -> None:
    online(connections, "bo", "b1", "b2")
    management.used_up = True
    assert deliver(gateway, "bo") == (set(), True)

    assert deliver(gateway, "bo", again=True) == (set(), True)
    assert len(connections.of(["bo"])) == 2

    management.used_up = False
    assert deliver(gateway, "bo", again=True) == (set(), False)
