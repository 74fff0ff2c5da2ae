"""What makes a good password, and how it is kept."""

import random
import time

import pytest
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from chalicelib.auth.passwords import ADVICE, REASONS, Passwords
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


def test_no_password_matches_a_missing_or_broken_hash(passwords: Passwords) -> None:
    assert not passwords.verify(None, GOOD)
    assert not passwords.verify("", GOOD)
    assert not passwords.verify("$argon2id$v=19$broken", GOOD)


def test_knows_a_hash_with_other_parameters(passwords: Passwords) -> None:
    hashed = passwords.hash(GOOD)

    assert not passwords.outdated(hashed)
    assert Passwords(auth_settings(argon2_time_cost=2)).outdated(hashed)
    assert Passwords(auth_settings(argon2_memory_kib=16)).outdated(hashed)


@pytest.mark.parametrize("password", ["1234567890", "qwertyuiop", "QwertyUiop", "password123"])
def test_common_ones_are_weak_in_any_case(passwords: Passwords, password: str) -> None:
    assert "common" in str(passwords.weakness(password, names=[]))


def test_names_of_the_user_are_weak(passwords: Passwords) -> None:
    assert "name" in str(passwords.weakness("Ana_Banana", names=["ana_banana"]))


@pytest.mark.parametrize(
    "password",
    [
        "aaaaaaaaaa",
        "a" * 1024,
        "password12345",
        "Password12345!",
        "p4ssw0rdp4ssw0rd",
        "passwordpassword" * 60,
        "qwertzuiop",
        "asdfghjkl;",
        "abcdefghij",
        "9876543210",
        "1234512345",
        "2020202020",
        "01.01.1990",
        "abcabcabcabc",
        "letmeinletmein",
        "iloveyou2024",
        "parleyparley",
        "Parley2026!",
        "ananananananana",
        "ana.banana1",
        "banana.ana!",
        "example.org1",
        # What people see of it is what counts.
        "password\u00ad12345",
        "p\u200bassword12345",
        "\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff44\uff11\uff12\uff13",
        "\u200b" * 12,
    ],
    ids=ascii,
)
def test_what_is_guessed_early_is_weak(passwords: Passwords, password: str) -> None:
    names = ["ana_b", "ana.banana@example.org", "ana.banana", "Ana Banana"]

    said = passwords.weakness(password, names=names)

    assert said is not None
    assert said.sentence.endswith(ADVICE)
    assert password not in said.sentence


@pytest.mark.parametrize(
    "password",
    [
        GOOD,
        "correct horse battery 42",
        "battery staple",
        "another long password 7",
        "tr4in-lamp-Fog",
        "zxk4!qpWv9",
        "\u4e2d\u6587\u5bc6\u7801\u5f88\u957f\u5427\u5bf9\u5417\u5440",
        "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440 42",
        "x9$Lm2Qa" * 20,
    ],
    ids=ascii,
)
def test_other_passwords_are_not_weak(passwords: Passwords, password: str) -> None:
    assert passwords.weakness(password, names=["ana", "ana@example.org"]) is None


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("ana_banana", "your name"),
        ("parleyparley", "repeats"),
        ("aaaaaaaaaa", "repeats"),
        ("qwertyuiop", "common passwords"),
        ("zxcvfrewqa", "beside each other"),
        ("abcdefghijk", "sequence"),
    ],
)
def test_a_weak_password_is_refused_with_its_reason(
    passwords: Passwords, password: str, reason: str
) -> None:
    assert reason in str(passwords.weakness(password, names=["ana_banana"]))


def test_every_list_of_words_has_its_reason() -> None:
    assert REASONS.keys() >= FREQUENCY_LISTS.keys()


def test_any_text_can_be_judged(passwords: Passwords) -> None:
    chosen = random.Random(63)
    pool = "a1 \u0130\u00df\u00b2\u0661\u0301\u200d\U0001f469\uff11\ufb01\u01c5\u1e9e-./"
    for _ in range(60):
        text = "".join(chosen.choices(pool, k=chosen.randint(10, 80)))
        passwords.weakness(text, names=[text[:20], "\u0130stanbul"])


@pytest.mark.parametrize(
    "unit",
    ["a", "ab1!", "1990", "()@$4", "p4s$w0rd", "qwerty12", "\u0661", "!$%(+0123456789<@[{|"],
)
def test_no_password_takes_long_to_judge(passwords: Passwords, unit: str) -> None:
    """In processor time of this thread, which others on the machine do not count towards."""
    passwords.weakness(GOOD, names=[])
    began = time.thread_time()

    passwords.weakness((unit * 1024)[:1024], names=["x" * 254])

    assert time.thread_time() - began < 0.5
