"""Refresh tokens: rotated at each use, forgiving lost answers, not copies."""

import itertools
import logging
import random

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from chalicelib.auth.models import Client, SignedIn, Tokens
from chalicelib.auth.refresh import RefreshToken
from chalicelib.errors import RateLimited, Unauthorized, Unavailable
from chalicelib.ids import new_id
from tests.unit.auth.conftest import World, make_world
from tests.unit.auth.fakes import auth_settings
from tests.unit.settings import rates


def test_survives_its_own_text() -> None:
    token = RefreshToken.new(new_id())

    assert RefreshToken.parse(str(token)) == token


def test_has_256_bits_of_its_own() -> None:
    session_id = new_id()

    assert len(RefreshToken.new(session_id).secret) == 32
    assert RefreshToken.new(session_id).secret != RefreshToken.new(session_id).secret


def test_keeps_its_secret_out_of_reprs() -> None:
    token = RefreshToken.new(new_id())

    assert token.secret.hex() not in repr(token)
    assert repr(token.secret) not in repr(token)


def test_succession_needs_both_the_token_and_the_seed() -> None:
    session_id = new_id()
    one, other = RefreshToken.new(session_id), RefreshToken.new(session_id)

    assert one.successor(b"a") == one.successor(b"a")
    assert (
        len({one.secret, *(t.successor(s).secret for t in (one, other) for s in (b"a", b"b"))}) == 5
    )


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

    def test_g5_it_goes_on_asking_for_that_until_redis_answers(self, world: World) -> None:
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
        """Both have the same token; whoever comes later, at the latest the other's next refresh
        gives it away."""
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
        ana = world.register()
        made_up = [f"{new_id()}.{'0' * 64}" for _ in range(3)]
        for token in made_up:
            with pytest.raises(Unauthorized):
                world.refresh(token)
        world.tables.down = True

        with pytest.raises(RateLimited):
            world.refresh(made_up[0])
        with pytest.raises(RateLimited):
            world.refresh(ana.refresh_token)
        world.tables.down = False
        elsewhere = Client(address="192.0.2.9", user_agent="")
        assert world.auth.refresh(ana.refresh_token, elsewhere)

    def test_right_ones_and_outages_do_not_count_against_an_address(self) -> None:
        sizes = {"refresh.address": 1, "refresh.session": 2}
        world = make_world(auth_settings(rate_limits=rates(sizes)))
        ana, tablet = world.register(), world.login()
        for _ in range(2):
            assert world.refresh(ana.refresh_token)
        with pytest.raises(RateLimited):
            world.refresh(ana.refresh_token)
        world.tables.down = True
        with pytest.raises(Unavailable):
            world.refresh(tablet.refresh_token)
        world.tables.down = False

        assert world.refresh(tablet.refresh_token)

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
    def test_two_who_refresh_apart_never_both_go_on(self, seed: int, gaps: list[int]) -> None:
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
