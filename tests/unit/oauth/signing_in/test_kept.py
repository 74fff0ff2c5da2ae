"""What a sign-in page keeps between two steps."""

import pytest

from chalicelib.auth.passkeys.challenges import SECONDS
from chalicelib.oauth.signing_in.kept import MAX_KEPT, Kept

OLD, NEW = b"o" * 32, b"n" * 32
GIVEN = {"login": "ana", "password": "sécret"}


class Watch:
    time = 1_000_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_is_valid_in_its_browser_for_a_while(watch: Watch) -> None:
    kept = Kept(lambda: [NEW], watch)
    field = kept.close(GIVEN, "mark")

    watch.time += SECONDS
    assert kept.open(field, "mark") == GIVEN
    assert kept.open(field, "other") is None
    watch.time += 1
    assert kept.open(field, "mark") is None


def test_cannot_be_read(watch: Watch) -> None:
    field = Kept(lambda: [NEW], watch).close(GIVEN, "mark")

    assert Kept(lambda: [OLD], watch).open(field, "mark") is None
    assert "ana" not in field


def test_stays_valid_when_keys_change(watch: Watch) -> None:
    field = Kept(lambda: [OLD], watch).close(GIVEN, "mark")

    assert Kept(lambda: [NEW, OLD], watch).open(field, "mark") == GIVEN


@pytest.mark.parametrize("field", ["", "nonsense", "é", "gAAAAA" + "A" * 200, "A" * (MAX_KEPT + 1)])
def test_other_texts_are_refused(watch: Watch, field: str) -> None:
    assert Kept(lambda: [NEW], watch).open(field, "mark") is None


def test_a_changed_field_is_refused(watch: Watch) -> None:
    kept = Kept(lambda: [NEW], watch)
    field = kept.close(GIVEN, "mark")

    for place in range(0, len(field) - 4, 7):
        changed = field[:place] + ("A" if field[place] != "A" else "B") + field[place + 1 :]
        assert kept.open(changed, "mark") is None


def test_what_google_sends_fits(watch: Watch) -> None:
    kept = Kept(lambda: [NEW], watch)
    long = {"id_token": "x" * 8192, "nonce": "n" * 64, "passkey": "p" * 4000}

    assert kept.open(kept.close(long, "m" * 43), "m" * 43) == long
