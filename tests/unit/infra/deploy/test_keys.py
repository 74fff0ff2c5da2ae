"""Keys of access tokens, and their rotation in three phases that nobody notices."""

import itertools
import json
from typing import Any

import jwt
import pytest

from chalicelib.auth.sessions.tokens import AccessTokens
from chalicelib.config import SettingsInvalid
from chalicelib.edge.headers import PUBLIC_SECONDS
from chalicelib.identity import Identity
from infra.deploy import keys
from infra.deploy.errors import Stopped
from tests.unit.settings import settings, settings_without

ANA = Identity(user_id="ana", session_id="s")
TOKEN = 900
HOUR = 3600


def tokens(held: list[keys.Key]) -> AccessTokens:
    return AccessTokens(settings(jwt_keys=keys.write(held)))


def kids(held: list[keys.Key]) -> list[str]:
    return [each["kid"] for each in held]


def test_a_new_key_signs_and_verifies() -> None:
    made = tokens(keys.new_keys(0))

    assert made.verify(made.issue(ANA)) == ANA


def test_what_is_noted_in_a_key_is_not_published() -> None:
    curve, modulus = tokens(keys.new_keys(0)).public.model_dump()["keys"]

    assert curve.keys() == {"kty", "crv", "alg", "use", "kid", "x", "y"}
    assert modulus.keys() == {"kty", "alg", "use", "kid", "n", "e"}


class TestAdvance:
    def test_every_token_verifies_with_the_keys_of_its_phase_and_the_next(self) -> None:
        now = 1_000_000.0
        phases = [keys.new_keys(now)]
        for later in (0, 2 * HOUR, HOUR):
            now += later
            phases.append(keys.advance(phases[-1], now, TOKEN).keys)

        for before, after in itertools.pairwise(phases):
            issued = tokens(before).issue(ANA)
            assert tokens(before).verify(issued) == ANA
            if len(after) > 2:  # the last phase waits until tokens of the old keys have run out
                assert tokens(after).verify(issued) == ANA
        (e1, r1), (e2, r2) = kids(phases[0]), kids(phases[3])
        assert kids(phases[1]) == [e1, e2, r1, r2]
        assert kids(phases[2]) == [e2, e1, r2, r1]
        assert len({e1, e2, r1, r2}) == 4

    def test_no_key_signs_before_others_could_fetch_it(self) -> None:
        held = keys.advance(keys.new_keys(0), 1000, TOKEN).keys

        with pytest.raises(Stopped, match=r"other services fetch .* continue in 1 minute"):
            keys.advance(held, 1000 + PUBLIC_SECONDS + keys.MARGIN_SECONDS - 1, TOKEN)
        keys.advance(held, 1000 + PUBLIC_SECONDS + keys.MARGIN_SECONDS, TOKEN)

    def test_no_key_goes_before_its_tokens_have_run_out(self) -> None:
        held = keys.advance(keys.new_keys(0), 0, TOKEN).keys
        held = keys.advance(held, 2 * HOUR, TOKEN).keys

        with pytest.raises(Stopped, match="Too early, tokens of the old keys expire"):
            keys.advance(held, 2 * HOUR + TOKEN + keys.MARGIN_SECONDS - 1, TOKEN)
        assert len(keys.advance(held, 2 * HOUR + TOKEN + keys.MARGIN_SECONDS, TOKEN).keys) == 2

    def test_a_second_rotation_goes_through_the_same_phases(self) -> None:
        held, now, done = keys.new_keys(0), 0.0, []
        for _ in range(6):
            now += 2 * HOUR
            rotation = keys.advance(held, now, TOKEN)
            held = rotation.keys
            done.append(rotation.done[:6])

        assert done == ["1 of 3", "2 of 3", "3 of 3"] * 2

    def test_a_key_that_was_added_by_hand_counts_from_now(self) -> None:
        (first, one), (second, _) = keys.new_keys(0), keys.new_keys(0)
        del second[keys.ADDED]

        rotation = keys.advance([first, second, one], 10 * HOUR, TOKEN)

        assert kids(rotation.keys)[:3] == kids([first, second, one])
        with pytest.raises(Stopped, match="Too early"):
            keys.advance(rotation.keys, 10 * HOUR + 60, TOKEN)

    def test_kinds_of_keys_that_are_in_different_phases_are_left_alone(self) -> None:
        held = keys.advance(keys.new_keys(0), 0, TOKEN).keys

        with pytest.raises(Stopped, match="different phases"):
            keys.advance(held[:3], 2 * HOUR, TOKEN)

    def test_more_than_two_keys_are_left_alone(self) -> None:
        with pytest.raises(Stopped, match="more than two keys"):
            keys.advance([key for _ in range(3) for key in keys.new_keys(0)], 0, TOKEN)


class TestStamped:
    def test_begins_a_phase_anew_without_changing_its_keys(self) -> None:
        one = keys.new_keys(0)
        first = keys.advance(one, 0, TOKEN).keys
        second = keys.advance(first, 2 * HOUR, TOKEN).keys

        assert keys.stamped(one, 9 * HOUR) == one
        for phase in (first, second):
            later = keys.stamped(phase, 9 * HOUR)
            assert kids(later) == kids(phase)
            with pytest.raises(Stopped, match="Too early"):
                keys.advance(later, 9 * HOUR + 60, TOKEN)


@pytest.mark.parametrize("held", ["", "[]", "{}", '{"keys": []}', '{"keys": [{"kid": "k"}]}'])
def test_what_is_no_set_of_private_keys_is_refused_without_being_shown(held: Any) -> None:
    with pytest.raises(Stopped, match=r"^JWT_KEYS in the secret is not a set of private keys\.$"):
        keys.read(held)


def test_a_kind_that_has_no_key_gets_one() -> None:
    (older, _) = keys.new_keys(0)

    whole = keys.completed([older], 0)

    assert whole[0] == older
    assert [key["alg"] for key in whole] == ["ES256", "RS256"]
    assert keys.completed(whole, 0) == whole


def test_reads_what_it_writes() -> None:
    held = keys.new_keys(0)

    assert keys.read(keys.write(held)) == held
    assert json.loads(keys.write(held)).keys() == {"keys"}


class CachingProgram:
    """A program of others: it fetches our keys when it meets one that it does not know, and else
    keeps what it has."""

    def __init__(self) -> None:
        self.known: dict[str, jwt.PyJWK] = {}
        self.fetched = 0

    def believes(self, token: str, published: AccessTokens) -> bool:
        kid = jwt.get_unverified_header(token)["kid"]
        if kid not in self.known:
            self.fetched += 1
            keys_now = jwt.PyJWKSet.from_dict(published.public.model_dump())
            self.known = {key.key_id: key for key in keys_now.keys if key.key_id}
        told = jwt.decode(token, self.known[kid], algorithms=["RS256"], audience="program")
        return bool(told["sub"] == "ana")


def test_a_program_that_caches_our_keys_believes_every_id_token_of_a_rotation() -> None:
    now, program = 1_000_000.0, CachingProgram()
    held = keys.new_keys(now)
    issued = [tokens(held).issue_id("program", sub="ana", sid="s")]
    for later in (0, 2 * HOUR, HOUR):
        assert program.believes(issued[-1], tokens(held))
        now += later
        held = keys.advance(held, now, TOKEN).keys
        issued.append(tokens(held).issue_id("program", sub="ana", sid="s"))
        assert program.believes(issued[-1], tokens(held))

    assert len({jwt.get_unverified_header(one)["kid"] for one in issued}) == 2
    assert program.fetched == 2
    assert CachingProgram().believes(issued[-1], tokens(held))


def test_public_halves_verify_and_hold_nothing_else() -> None:
    made = keys.new_keys(1_000_000.0)

    halves = json.loads(keys.public(made))["keys"]

    assert [set(half) for half in halves] == [
        {"kty", "crv", "x", "y", "alg", "use", "kid"},
        {"kty", "n", "e", "alg", "use", "kid"},
    ]
    signer = AccessTokens(settings(jwt_keys=keys.write(made)))
    verifier = AccessTokens(settings_without("JWT_KEYS", jwt_public_keys=keys.public(made)))
    assert verifier.public == signer.public
    assert verifier.verify(signer.issue(ANA)) == ANA
    with pytest.raises(SettingsInvalid, match="the first key cannot sign"):
        verifier.issue(ANA)
