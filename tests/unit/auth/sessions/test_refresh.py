"""Refresh tokens: rotated at each use, forgiving lost answers, not copies."""

import hmac
import itertools
import logging
import random
import secrets
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from chalicelib.auth.sessions.models import SignedIn, Tokens
from chalicelib.auth.sessions.refresh_tokens import RefreshToken, RefreshTokens
from chalicelib.errors import RateLimited, Unauthorized, Unavailable
from chalicelib.ids import new_id
from tests.unit.auth.fakes import auth_settings
from tests.unit.conftest import World, make_world
from tests.unit.settings import rates

MINT = RefreshTokens([b"newest", b"older"])


def before_proofs(session_id: str) -> RefreshToken:
    """A token as they were made before they held a proof."""
    return RefreshToken(session_id, secrets.token_bytes(32))


def test_can_be_parsed_from_its_text() -> None:
    token = MINT.new(new_id())

    assert RefreshToken.parse(str(token)) == token


def test_has_256_bits_of_its_own() -> None:
    session_id = new_id()

    assert len(MINT.new(session_id).secret) == 32
    assert MINT.new(session_id).secret != MINT.new(session_id).secret


def test_keeps_its_secret_out_of_reprs() -> None:
    token = MINT.new(new_id())

    assert token.secret.hex() not in repr(token)
    assert repr(token.secret) not in repr(token)


def test_succession_needs_both_the_token_and_the_seed() -> None:
    session_id = new_id()
    one, other = MINT.new(session_id), MINT.new(session_id)

    assert MINT.successor(one, b"a") == MINT.successor(one, b"a")
    successors = {MINT.successor(t, s).secret for t in (one, other) for s in (b"a", b"b")}
    assert len({one.secret, *successors}) == 5


class TestProofs:
    def test_every_token_of_a_chain_was_issued(self) -> None:
        token = MINT.new(new_id())
        for _ in range(5):
            assert MINT.issued(token)
            token = MINT.successor(token, b"seed")

    def test_no_guess_counts_as_issued(self) -> None:
        token = MINT.new(new_id())
        flipped = [bytes([token.secret[0] ^ 1]) + token.secret[1:]]
        flipped.append(token.secret[:-1] + bytes([token.secret[-1] ^ 1]))

        assert not MINT.issued(RefreshToken(new_id(), token.secret))
        for secret in (bytes(32), token.secret[::-1], *flipped):
            assert not MINT.issued(RefreshToken(token.session_id, secret))
        assert not RefreshTokens([b"other"]).issued(token)

    def test_survive_that_keys_come_and_go_in_their_order(self) -> None:
        token = RefreshTokens([b"older"]).new(new_id())

        assert MINT.issued(token)
        assert RefreshTokens([b"older", b"newest"]).issued(MINT.new(new_id()))
        assert not RefreshTokens([b"newest"]).issued(token)

    def test_a_repeated_answer_is_found_whichever_key_made_it(self) -> None:
        token = before_proofs(new_id())
        plain = hmac.digest(token.secret, b"parley refresh" + b"seed", "sha256")
        answers = [
            MINT.successor(token, b"seed"),
            RefreshTokens([b"older"]).successor(token, b"seed"),
            RefreshToken(token.session_id, plain),
        ]

        for answer in answers:
            assert MINT.repeated(token, b"seed", answer.digest) == answer
        gone = RefreshTokens([b"gone"]).successor(token, b"seed")
        assert MINT.repeated(token, b"seed", gone.digest) is None


SESSION = "01a20000-0000-7000-8000-00000000000a"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "token",
        f"{SESSION}.",
        f"{SESSION}.{'0' * 63}",
        f"{SESSION}.{'0' * 65}",
        f"{SESSION}.{'g' * 64}",
        f"{SESSION}.{'0' * 64}\n",
        f"{SESSION.upper()}.{'A' * 64}",
        f"{SESSION}.{'٣' * 64}",
    ],
)
def test_knows_what_cannot_be_one(text: str) -> None:
    assert RefreshToken.parse(text) is None


class TestRefresh:
    def test_gives_an_access_token_of_the_same_session(self, world: World) -> None:
        ana = world.register()

        fresh = world.refresh(ana.refresh_token)

        identity = world.auth.authenticate(f"Bearer {fresh.access_token}")
        assert identity.session_id == fresh.session_id == ana.session_id
        assert fresh.refresh_token != ana.refresh_token

    def test_keeps_a_session_alive(self) -> None:
        world = make_world(auth_settings(session_seconds=100))
        tokens: Tokens = world.register()
        for _ in range(5):
            world.clock.go(seconds=90)
            tokens = world.refresh(tokens.refresh_token)

        world.clock.go(seconds=100)
        with pytest.raises(Unauthorized):
            world.refresh(tokens.refresh_token)

    def test_a_lost_answer_does_not_strand_the_client(self, world: World) -> None:
        ana = world.register()
        world.refresh(ana.refresh_token)  # lost
        world.clock.go(days=3)

        again = world.refresh(ana.refresh_token)

        assert world.refresh(again.refresh_token).session_id == ana.session_id

    def test_two_tabs_at_once_get_the_same(self, world: World) -> None:
        ana = world.register()

        one, other = (world.refresh(ana.refresh_token) for _ in range(2))

        assert one.refresh_token == other.refresh_token
        assert world.refresh(one.refresh_token) is not None
        assert world.refresh(other.refresh_token) is not None

    def test_two_tabs_at_once_survive_a_race_for_the_row(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The other tab's request is done between our reading and our writing."""
        ana = world.register()
        store = world.auth._store()
        others: list[Tokens] = []
        read = store.session

        def session_then_lose(session_id: str) -> object:
            found = read(session_id)
            monkeypatch.undo()
            others.append(world.refresh(ana.refresh_token))
            return found

        monkeypatch.setattr(store, "session", session_then_lose)

        ours = world.refresh(ana.refresh_token)

        assert ours.refresh_token == others[0].refresh_token

    def test_reuse_after_the_new_one_was_used_revokes_the_session(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        ana, tablet = world.register(), world.login()
        world.identity(ana)
        first = world.refresh(ana.refresh_token)
        second = world.refresh(first.refresh_token)

        with caplog.at_level(logging.WARNING), pytest.raises(Unauthorized):
            world.refresh(ana.refresh_token)

        assert not world.stands(ana)
        assert world.sockets.closed == [(ana.user.id, ana.session_id)]
        for tokens in (second, first):
            with pytest.raises(Unauthorized):
                world.refresh(tokens.refresh_token)
        assert world.stands(tablet)
        assert ana.refresh_token.split(".")[1] not in caplog.text

    def reused_while_redis_is_away(self, world: World) -> tuple[SignedIn, Tokens]:
        """A session that PostgreSQL has ended and Redis still lets in; its newest tokens."""
        ana = world.register()
        world.identity(ana)
        second = world.refresh(world.refresh(ana.refresh_token).refresh_token)
        world.revocation.down = True
        with pytest.raises(Unavailable):
            world.refresh(ana.refresh_token)
        world.revocation.down = False
        assert world.stands(ana)
        return ana, second

    @pytest.mark.parametrize("who", ["who was refused", "who holds the newest", "who knows the id"])
    def test_g5_the_next_refresh_completes_a_revocation_that_was_cut_short(
        self, world: World, who: str
    ) -> None:
        ana, newest = self.reused_while_redis_is_away(world)
        token = {
            "who was refused": ana.refresh_token,
            "who holds the newest": newest.refresh_token,
            "who knows the id": f"{ana.session_id}.{'0' * 64}",
        }[who]

        with pytest.raises(Unauthorized):
            world.refresh(token)

        assert not world.stands(ana)
        assert world.sockets.closed == [(ana.user.id, ana.session_id)]

    def test_g5_each_refresh_tries_to_complete_it_until_redis_answers(self, world: World) -> None:
        _, newest = self.reused_while_redis_is_away(world)
        world.revocation.down = True

        with pytest.raises(Unavailable):
            world.refresh(newest.refresh_token)

    def test_what_was_revoked_long_ago_is_not_closed_again(self, world: World) -> None:
        ana = world.register()
        world.auth.logout(world.identity(ana))
        closed = list(world.sockets.closed)
        world.clock.go(hours=3)

        with pytest.raises(Unauthorized):
            world.refresh(ana.refresh_token)
        assert world.sockets.closed == closed

    def test_a_thief_and_the_owner_cannot_go_on_side_by_side(self, world: World) -> None:
        """Both have the same token. The later refresh, or at the latest the next one of the other,
        shows that there are two."""
        ana = world.register()
        thief: Tokens = ana
        owner: Tokens = ana
        world.clock.go(minutes=15)
        thief = world.refresh(thief.refresh_token)
        world.clock.go(minutes=5)
        owner = world.refresh(owner.refresh_token)
        world.clock.go(minutes=10)

        with pytest.raises(Unauthorized):
            world.refresh(thief.refresh_token)
        with pytest.raises(Unauthorized):
            world.refresh(owner.refresh_token)
        assert not world.stands(ana)

    @pytest.mark.parametrize("text", ["", "x", "x.y", "é" * 64])
    def test_what_is_no_token_is_refused(self, world: World, text: str) -> None:
        with pytest.raises(Unauthorized):
            world.refresh(text)

    def test_a_token_of_no_session_is_refused(self, world: World) -> None:
        with pytest.raises(Unauthorized):
            world.refresh(f"01890000-0000-7000-8000-000000000000.{'0' * 64}")

    def test_a_revoked_session_is_not_refreshed(self, world: World) -> None:
        ana = world.register()
        world.auth.logout(world.identity(ana))

        with pytest.raises(Unauthorized):
            world.refresh(ana.refresh_token)

    def test_an_access_token_is_no_refresh_token(self, world: World) -> None:
        with pytest.raises(Unauthorized):
            world.refresh(world.register().access_token)

    def test_too_many_are_refused(self) -> None:
        world = make_world(auth_settings(rate_limits=rates({"refresh.session": 3})))
        first = world.register()
        tokens: Tokens = first
        for _ in range(3):
            tokens = world.refresh(tokens.refresh_token)

        with pytest.raises(RateLimited):
            world.refresh(tokens.refresh_token)
        assert world.identity(first)

    def test_made_up_tokens_are_limited_by_address_before_postgresql_is_asked(self) -> None:
        world = make_world(auth_settings(rate_limits=rates({"refresh.address": 3})))
        made_up = [f"{new_id()}.{'0' * 64}" for _ in range(3)]
        for token in made_up:
            with pytest.raises(Unauthorized):
                world.refresh(token)
        world.tables.down = True

        with pytest.raises(RateLimited):
            world.refresh(made_up[0])

    def test_made_up_tokens_do_not_block_others_at_the_address(self) -> None:
        world = make_world(auth_settings(rate_limits=rates({"refresh.address": 3})))
        ana = world.register()
        for _ in range(4):
            with pytest.raises((Unauthorized, RateLimited)):
                world.refresh(f"{new_id()}.{'0' * 64}")

        assert world.refresh(ana.refresh_token)

    def test_outages_do_not_count_against_an_address(self) -> None:
        world = make_world(auth_settings(rate_limits=rates({"refresh.address": 1})))
        world.tables.down = True
        for _ in range(3):
            with pytest.raises(Unavailable):
                world.refresh(f"{new_id()}.{'0' * 64}")

    @limits(deadline=None, max_examples=50)
    @given(st.lists(st.tuples(st.booleans(), st.integers(1, 10_000)), max_size=30))
    def test_a_client_that_loses_any_answers_is_never_stranded(
        self, steps: list[tuple[bool, int]]
    ) -> None:
        world = make_world(auth_settings(rate_limits=rates({"refresh.session": 100})))
        tokens: Tokens = world.register()
        for lost, seconds in steps:
            world.clock.go(seconds=seconds)
            answer = world.refresh(tokens.refresh_token)
            if not lost:
                tokens = answer

        assert world.refresh(tokens.refresh_token).session_id == tokens.session_id

    @limits(deadline=None, max_examples=50)
    @given(st.integers(0), st.lists(st.integers(61, 10_000), min_size=4, max_size=30))
    def test_a_thief_and_a_victim_never_both_continue(self, seed: int, gaps: list[int]) -> None:
        world = make_world(auth_settings(rate_limits=rates({"refresh.session": 100})))
        start = world.register()
        who = random.Random(seed)
        held: list[Tokens] = [start, start]
        turns = [who.randrange(2) for _ in gaps]
        caught = False
        for turn, gap in zip(turns, gaps, strict=True):
            world.clock.go(seconds=gap)
            try:
                held[turn] = world.refresh(held[turn].refresh_token)
            except Unauthorized:
                caught = True
                break

        switches = sum(a != b for a, b in itertools.pairwise(turns))
        assert caught or switches <= 1


class TestGuesses:
    """The id of a session, which is in every access token, is not enough to end the session."""

    @pytest.mark.parametrize("secret", ["0" * 64, "f" * 64, "0123456789abcdef" * 4])
    def test_a_guess_is_refused_and_changes_nothing(self, world: World, secret: str) -> None:
        ana = world.register()
        before = dict(world.tables.sessions)

        with pytest.raises(Unauthorized):
            world.refresh(f"{ana.session_id}.{secret}")

        assert world.tables.sessions == before
        assert world.sockets.closed == []
        assert world.stands(ana)
        assert world.refresh(ana.refresh_token)

    def test_a_guess_with_half_of_a_token_changes_nothing(self, world: World) -> None:
        ana = world.register()
        _, _, secret = ana.refresh_token.partition(".")

        for guess in (secret[:32] + "0" * 32, "0" * 32 + secret[32:]):
            with pytest.raises(Unauthorized):
                world.refresh(f"{ana.session_id}.{guess}")

        assert world.stands(ana)

    def test_a_token_of_another_session_changes_nothing(self, world: World) -> None:
        ana, tablet = world.register(), world.login()
        _, _, secret = tablet.refresh_token.partition(".")

        with pytest.raises(Unauthorized):
            world.refresh(f"{ana.session_id}.{secret}")

        assert world.stands(ana)
        assert world.stands(tablet)


class TestTokensFromBeforeThereWereProofs:
    def signed_in(self, world: World) -> tuple[SignedIn, RefreshToken]:
        """Somebody whose session has a token of the old kind."""
        ana = world.register()
        token = before_proofs(ana.session_id)
        session = world.tables.sessions[ana.session_id]
        world.tables.sessions[ana.session_id] = replace(session, current=token.digest)
        return ana, token

    def test_are_traded_for_one_with_a_proof(self, world: World) -> None:
        ana, token = self.signed_in(world)

        fresh = world.refresh(str(token))

        assert world.refresh(fresh.refresh_token).session_id == ana.session_id

    def test_that_were_traded_are_refused_and_end_nothing(self, world: World) -> None:
        ana, token = self.signed_in(world)
        newest = world.refresh(world.refresh(str(token)).refresh_token)

        with pytest.raises(Unauthorized):
            world.refresh(str(token))

        assert world.stands(ana)
        assert world.refresh(newest.refresh_token)

    def test_a_repeated_request_gets_what_old_code_answered(self, world: World) -> None:
        ana, token = self.signed_in(world)
        session = world.tables.sessions[ana.session_id]
        answered = hmac.digest(token.secret, b"parley refresh" + b"seed", "sha256")
        successor = RefreshToken(ana.session_id, answered)
        world.tables.sessions[ana.session_id] = replace(
            session, previous=token.digest, current=successor.digest, seed=b"seed"
        )

        assert world.refresh(str(token)).refresh_token == str(successor)


class TestRotationOfKeys:
    def test_signs_nobody_out(self, world: World) -> None:
        ana = world.register()
        world.auth._refresh_tokens = RefreshTokens([b"a new key, and the old one is gone"])

        fresh = world.refresh(ana.refresh_token)

        assert world.refresh(fresh.refresh_token).session_id == ana.session_id

    def test_reuse_is_recognised_while_the_old_key_is_still_there(self, world: World) -> None:
        ana = world.register()
        old = world.auth._refresh_tokens._keys
        world.auth._refresh_tokens = RefreshTokens([b"a new key", *old])
        world.refresh(world.refresh(ana.refresh_token).refresh_token)

        with pytest.raises(Unauthorized):
            world.refresh(ana.refresh_token)

        assert not world.stands(ana)
