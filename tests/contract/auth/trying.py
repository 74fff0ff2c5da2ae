"""What the contract tests of throttles share: attempts at a password."""

from chalicelib.limits.guesses import Throttle
from tests.contract.accounts import wrong_login


def tried(throttle: Throttle, login: str, address: str, key: str | None = None) -> None:
    """An attempt at a password that was let through by name and address, and is counted."""
    wrong_login(throttle, throttle.login(login, address, key), f"id of {login}")


def signed_in(throttle: Throttle, login: str, address: str, key: str | None = None) -> None:
    with throttle.account(throttle.login(login, address, key), f"id of {login}"):
        pass
    if key:
        throttle.recognise([login], f"id of {login}", key)
