"""What makes a good password, and how it is kept."""

import pytest

from chalicelib.auth.passwords import Passwords
from tests.unit.auth.fakes import auth_settings

GOOD = "correct horse"


@pytest.fixture
def passwords() -> Passwords:
    return Passwords(auth_settings())


def test_knows_the_right_one(passwords: Passwords) -> None:
    hashed = passwords.hash(GOOD)

    assert hashed.startswith("$argon2id$")
    assert passwords.verify(hashed, GOOD)
    assert not passwords.verify(hashed, GOOD + "!")


def test_nothing_fits_no_hash_or_a_broken_one(passwords: Passwords) -> None:
    assert not passwords.verify(None, GOOD)
    assert not passwords.verify("", GOOD)
    assert not passwords.verify("$argon2id$v=19$broken", GOOD)


def test_sees_that_the_parameters_have_changed(passwords: Passwords) -> None:
    hashed = passwords.hash(GOOD)

    assert not passwords.outdated(hashed)
    assert Passwords(auth_settings(argon2_time_cost=2)).outdated(hashed)
    assert Passwords(auth_settings(argon2_memory_kib=16)).outdated(hashed)


@pytest.mark.parametrize("password", ["1234567890", "qwertyuiop", "QwertyUiop", "password123"])
def test_common_ones_are_weak_in_any_case(passwords: Passwords, password: str) -> None:
    assert "common" in str(passwords.weakness(password, names=[]))


def test_ones_own_names_are_weak(passwords: Passwords) -> None:
    assert "name" in str(passwords.weakness("Ana_Banana", names=["ana_banana"]))


def test_others_are_not(passwords: Passwords) -> None:
    assert passwords.weakness(GOOD, names=["ana", "ana@example.org"]) is None
