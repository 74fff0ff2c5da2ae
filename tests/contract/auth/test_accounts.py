"""Accounts and sessions: PostgreSQL, and the stand-in for it, held to the same."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from chalicelib.auth.store import Credential
from chalicelib.drivers.postgres import Postgres
from chalicelib.errors import Unavailable, UsernameTaken
from chalicelib.ids import new_id
from chalicelib.users.device_models import PushToken
from chalicelib.users.models import PublicProfile
from tests.contract.accounts import NOW, Stores, profile, real, session_of


class TestAdd:
    def test_keeps_all_of_it(self, stores: Stores) -> None:
        user, session = stores.account(display_name="Änä")

        assert stores.users.profile(user.id) == user
        assert stores.sessions.session(session.id) == session
        assert stores.accounts.password_hash(user.id) == "hash"

    def test_usernames_are_unique(self, stores: Stores) -> None:
        user, _ = stores.account()

        with pytest.raises(UsernameTaken):
            stores.account(username=user.username)

    def test_an_address_may_be_claimed_by_many(self, stores: Stores) -> None:
        user, _ = stores.account()

        assert stores.account(email=user.email)[0].email == user.email

    def test_a_refusal_leaves_nothing_behind(self, stores: Stores) -> None:
        taken, _ = stores.account()
        user = profile(username=taken.username)
        session = session_of(user.id)

        with pytest.raises(UsernameTaken):
            stores.accounts.add(user, "hash", session)

        assert stores.users.profile(user.id) is None
        assert stores.sessions.session(session.id) is None
        assert stores.accounts.password_hash(user.id) is None


class TestCredentials:
    def test_are_found_by_username_and_not_by_a_claimed_address(self, stores: Stores) -> None:
        user, _ = stores.account()

        assert stores.accounts.credential_for(user.username) == Credential(user.id, "hash")
        assert stores.accounts.credential_for(user.email) is None
        assert stores.accounts.credential_for("nobody") is None
        assert stores.accounts.credential_for("nobody@example.org") is None

    def test_a_name_is_no_address(self, stores: Stores) -> None:
        user, _ = stores.account()

        assert stores.accounts.credential_for(f"{user.username}@") is None

    def test_are_rehashed_only_if_the_password_is_unchanged(self, stores: Stores) -> None:
        user, _ = stores.account()

        stores.accounts.rehash(Credential(user.id, "other"), "hash 2")
        assert stores.accounts.password_hash(user.id) == "hash"
        stores.accounts.rehash(Credential(user.id, "hash"), "hash 2")
        assert stores.accounts.password_hash(user.id) == "hash 2"


class TestChangePassword:
    def test_ends_all_other_sessions(self, stores: Stores) -> None:
        user, session = stores.account()
        other = stores.login(user)

        ended = stores.accounts.change_password(
            user.id, "hash 2", checked="hash", but=session.id, now=NOW
        )

        assert ended == [other.id]
        assert stores.accounts.password_hash(user.id) == "hash 2"
        assert [
            one.id for one in stores.sessions.sessions(user.id, now=NOW, before=None, limit=9)
        ] == [session.id]

    def test_needs_the_password_that_was_checked(self, stores: Stores) -> None:
        user, session = stores.account()
        other = stores.login(user)

        assert (
            stores.accounts.change_password(
                user.id, "hash 2", checked="other", but=session.id, now=NOW
            )
            is None
        )
        assert stores.accounts.password_hash(user.id) == "hash"
        found = stores.sessions.session(other.id)
        assert found is not None
        assert found.revoked_at is None


class TestErase:
    def test_leaves_the_row_without_personal_data(self, stores: Stores) -> None:
        user, session = stores.account(display_name="Ana")
        stores.users.update(user.id, {"about": "hi", "avatar_url": "https://example.org/a"})
        push = PushToken(token=user.id, platform="ios")
        stores.devices.add_push_token(user.id, session.id, "d1", push, NOW)

        assert stores.data.erase(user.id, NOW, checked="hash") == [session.id]

        (card,) = stores.users.cards([user.id])
        assert PublicProfile.of(card).model_dump() == {
            "id": user.id,
            "username": None,
            "display_name": "Deleted user",
            "about": "",
            "avatar_url": None,
            "deleted": True,
        }
        ended = stores.sessions.session(session.id)
        assert ended is not None
        assert (ended.revoked_at, ended.user_agent) == (NOW, "")
        assert stores.accounts.password_hash(user.id) is None
        assert stores.accounts.credential_for(user.email) is None
        assert stores.users.profile(user.id) is None
        assert stores.users.named(user.username) is None
        assert stores.devices.push_targets([user.id], NOW) == []

    def test_needs_the_password_that_was_checked(self, stores: Stores) -> None:
        user, session = stores.account()

        assert stores.data.erase(user.id, NOW, checked="other") is None
        assert stores.users.profile(user.id) == user
        assert stores.sessions.session(session.id) == session
        assert stores.accounts.password_hash(user.id) == "hash"

    def test_can_be_repeated(self, stores: Stores) -> None:
        user, session = stores.account()
        stores.data.erase(user.id, NOW, checked="hash")

        assert stores.data.erase(user.id, NOW + timedelta(minutes=1), checked=None) == [session.id]

    def test_frees_the_address_and_the_username(self, stores: Stores) -> None:
        user, _ = stores.account()
        stores.data.erase(user.id, NOW, checked="hash")

        again, _ = stores.account(username=user.username, email=user.email)

        found = stores.users.named(user.username)
        assert found is not None
        assert found.id == again.id

    def test_a_deleted_user_cannot_sign_in(self, stores: Stores) -> None:
        user, _ = stores.account()
        stores.data.erase(user.id, NOW, checked="hash")

        assert stores.accounts.open_session(session_of(user.id), "hash", known=False) is None


def test_an_unreachable_server_raises_unavailable() -> None:
    stores = real(Postgres("postgresql://app@127.0.0.1:1/none"))

    with pytest.raises(Unavailable):
        stores.sessions.session(new_id())


def test_one_statement_makes_an_account(
    connect: Callable[[], Stores], statements: list[str]
) -> None:
    """All or nothing without a transaction's round trips."""
    stores = connect()
    stores.account()
    statements.clear()
    stores.account()

    assert len(statements) == 1


def test_ten_statements_delete_an_account(
    connect: Callable[[], Stores], statements: list[str]
) -> None:
    stores = connect()
    user, _ = stores.account()
    statements.clear()

    assert stores.data.erase(user.id, NOW, checked="hash")

    assert len(statements) == 10
