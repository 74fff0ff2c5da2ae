"""What a limit refuses writes nothing: compared on a real server, key by key and write by write."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import redis

from chalicelib.auth.sessions.revocation import Revocation
from chalicelib.errors import RateLimited
from chalicelib.limits.guesses import Throttle
from chalicelib.limits.table import Use
from tests.contract.accounts import wrong, wrong_login
from tests.unit.auth.fakes import auth_settings
from tests.unit.settings import rates

HERE = "192.0.2.1"
ONE_EACH = rates(
    {
        "page.address": 1,
        "register.address": 1,
        "reset.address": 1,
        "reset.target": 1,
        "refresh.address": 1,
        "refresh.session": 1,
        "guess.address": 1,
        "token.user": 1,
        "password.user": 1,
        "confirm.user": 1,
        "code.user": 1,
        "sign-in.user": 1,
        "default.user": 1,
        "default.session": 1,
        "search.user": 1,
    }
)


def everything(client: redis.Redis) -> dict[str, Any]:
    """Every key with what it holds and when it ends, and how much was ever written."""
    held = {key: (client.dump(key), client.pexpiretime(key)) for key in _keys(client)}
    return {**held, "writes": client.info("persistence")["rdb_changes_since_last_save"]}


def _keys(client: redis.Redis) -> list[str]:
    return sorted(client.scan_iter(count=1000))


def refused(client: redis.Redis, call: Callable[[], object], times: int = 3) -> None:
    """Calls that must be refused leave everything as it was."""
    before = everything(client)
    for _ in range(times):
        with pytest.raises(RateLimited):
            call()
    assert everything(client) == before


LIMITED: dict[str, Callable[[Throttle], object]] = {
    "a page": lambda throttle: throttle.anonymous(Use(limit="page", address=HERE)),
    "registering": lambda throttle: throttle.registration(HERE),
    "a reset": lambda throttle: throttle.reset(HERE),
    "a mail": lambda throttle: throttle.mail("reset", "ana@example.org"),
    "a refresh without a proof": lambda throttle: wrong(throttle.refresh_from, HERE),
    "a refresh": lambda throttle: throttle.refresh("s1"),
    "a guess at a program": lambda throttle: throttle.program_guess(HERE),
    "a program": lambda throttle: throttle.program("p1"),
    "a password": lambda throttle: wrong(throttle.password, "ana"),
    "a code": lambda throttle: wrong(throttle.code, "ana"),
    "a sign-in": lambda throttle: throttle.signed_in("ana"),
}


@pytest.mark.parametrize("what", LIMITED)
def test_a_limit_that_refuses_writes_nothing(client: redis.Redis, what: str) -> None:
    throttle = Throttle(client, auth_settings(rate_limits=ONE_EACH).limits)
    LIMITED[what](throttle)

    refused(client, lambda: LIMITED[what](throttle))


def logins(client: redis.Redis, sizes: dict[str, int]) -> Callable[..., None]:
    throttle = Throttle(client, auth_settings(rate_limits=rates(sizes)).limits)

    def login(name: str, address: str = HERE, key: str | None = None) -> None:
        attempt = throttle.login(name, address, key)
        wrong_login(throttle, attempt, f"id of {name}" if name == "ana" else None)

    return login


def test_a_login_refused_by_address_writes_nothing(client: redis.Redis) -> None:
    login = logins(client, {"login.address": 2})
    login("one")
    login("two")

    refused(client, partial(login, "three"))
    refused(client, partial(login, "ana"))
    refused(client, partial(login, "ana", key="a key that nobody knows"))


def test_a_login_refused_by_name_writes_nothing(client: redis.Redis) -> None:
    login = logins(client, {"login.target": 3, "login-here.target": 2})
    for _ in range(2):
        login("ana")

    refused(client, partial(login, "ana"))
    login("ana", "192.0.2.2")
    refused(client, partial(login, "ana", "192.0.2.3"))


def test_a_login_refused_on_a_known_device_writes_nothing(client: redis.Redis) -> None:
    throttle = Throttle(client, auth_settings(rate_limits=rates({"login-device.target": 1})).limits)
    throttle.recognise(["ana"], "id of ana", "key")
    wrong_login(throttle, throttle.login("ana", HERE, "key"), "id of ana")

    refused(client, lambda: throttle.login("ana", HERE, "key"))


def test_a_login_after_too_many_right_ones_writes_nothing(client: redis.Redis) -> None:
    throttle = Throttle(client, auth_settings(rate_limits=rates({"sign-in.user": 1})).limits)
    with throttle.account(throttle.login("ana", HERE), "id of ana"):
        pass

    refused(client, lambda: wrong_login(throttle, throttle.login("ana", HERE), "id of ana"))


def test_a_request_refused_by_user_or_session_writes_nothing(client: redis.Redis) -> None:
    revocation = Revocation(client, auth_settings(rate_limits=ONE_EACH))
    revocation.check("ana", "s1", Use())

    refused(client, lambda: revocation.check("ana", "s1", Use()))
    refused(client, lambda: revocation.check("ana", "s2", Use()))


def test_a_refusal_after_a_slower_limit_writes_nothing(client: redis.Redis) -> None:
    slow, fast = (
        Throttle(client, auth_settings(rate_limits=rates({"register.address": 2}, seconds)).limits)
        for seconds in (3600, 900)
    )
    for _ in range(2):
        slow.registration(HERE)
    fast.registration(HERE)

    refused(client, lambda: fast.registration(HERE))


def test_attempts_at_unknown_names_are_bounded_and_expire(client: redis.Redis) -> None:
    login = logins(client, {"login.address": 5})
    for n in range(200):
        try:
            login(f"nobody {n}")
        except RateLimited:
            continue

    keys = _keys(client)
    assert len(keys) <= 1 + 5 * 4  # of the address; of each name and what passes for its account
    assert all(0 < client.ttl(key) <= 900 for key in keys)
