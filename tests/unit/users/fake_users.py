"""Profiles, devices and the cache of profiles in memory, held to the contracts of the real ones."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from chalicelib.clock import Time
from chalicelib.errors import Unavailable
from chalicelib.ids import new_id
from chalicelib.users.cache import ProfileCache
from chalicelib.users.device_models import MAX_DEVICES, PushTarget, PushToken
from chalicelib.users.device_store import DeviceStore
from chalicelib.users.models import Card, Profile
from chalicelib.users.profile_store import UserStore
from tests.unit.auth.fake_tables import StoredPush, Tables, User


class FakeUserStore(UserStore):
    """`asked`: for whose cards, each time."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self.asked: list[list[str]] = []

    def profile(self, user_id: str) -> Profile | None:
        with self._tables:
            user = self._tables.users.get(user_id)
            if user is None or user.deleted:
                return None
            wanted = self._tables.wanted(user_id, self._tables.clock())
            return user.profile.model_copy(update={"pending_email": wanted})

    def update(self, user_id: str, changes: dict[str, Any]) -> Profile | None:
        with self._tables:
            user = self._tables.users.get(user_id)
            if user is None or user.deleted:
                return None
            user.profile = user.profile.model_copy(update=changes)
            user.revision += 1
            return user.profile

    def cards(self, user_ids: Collection[str]) -> list[Card]:
        self.asked.append(list(user_ids))
        with self._tables:
            users = self._tables.users
            return [_card(users[user_id]) for user_id in user_ids if user_id in users]

    def named(self, username: str) -> Card | None:
        with self._tables:
            for user in self._tables.users.values():
                if user.profile.username == username and not user.deleted:
                    return _card(user)
        return None

    def exists(self, user_id: str) -> bool:
        return self.profile(user_id) is not None


class FakeDeviceStore(DeviceStore):
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def add_push_token(
        self, user_id: str, session_id: str, device_id: str, push: PushToken, now: Time
    ) -> None:
        now = self._tables.at(now)
        with self._tables:
            for key, row in list(self._tables.pushes.items()):
                ours, other = row.push, key != (user_id, device_id)
                same_device = push.device_key is not None and ours.device_key == push.device_key
                if ours.token == push.token and other and (key[0] == user_id or same_device):
                    del self._tables.pushes[key]
            session = self._tables.sessions.get(session_id)
            if session is None or session.revoked_at:
                return
            self._tables.pushes[user_id, device_id] = StoredPush(session_id, push, now)
            own = [(key, row) for key, row in self._tables.pushes.items() if key[0] == user_id]
            own.sort(key=lambda item: item[1].updated_at, reverse=True)
            for key, _ in own[MAX_DEVICES:]:
                del self._tables.pushes[key]

    def drop_push_token(self, user_id: str, device_id: str) -> None:
        with self._tables:
            self._tables.pushes.pop((user_id, device_id), None)

    def drop_push_tokens(self, tokens: Collection[str]) -> None:
        with self._tables:
            for key, row in list(self._tables.pushes.items()):
                if row.push.token in tokens:
                    del self._tables.pushes[key]

    def push_targets(self, user_ids: Collection[str], now: Time) -> list[PushTarget]:
        now = self._tables.at(now)
        with self._tables:
            users = self._tables.users
            return [
                PushTarget(
                    user_id,
                    device_id,
                    row.push.token,
                    row.push.platform,
                    users[user_id].profile.push_previews
                    and not self._shared(user_id, row.push.token, now),
                )
                for (user_id, device_id), row in sorted(
                    self._tables.pushes.items(), key=lambda item: item[0]
                )
                if user_id in user_ids and self._tables.sessions[row.session_id].stood(now)
            ]

    def _shared(self, user_id: str, token: str, now: datetime) -> bool:
        return any(
            key[0] != user_id
            and row.push.token == token
            and self._tables.sessions[row.session_id].stood(now)
            for key, row in self._tables.pushes.items()
        )


class FakeProfileCache(ProfileCache):
    """`sick`: raises Unavailable."""

    def __init__(self) -> None:
        self.sick = False
        self._kept: dict[str, Card | str] = {}

    def find(self, user_ids: Collection[str]) -> dict[str, Card]:
        self._check()
        kept = (self._kept.get(user_id) for user_id in user_ids)
        return {card.id: card for card in kept if isinstance(card, Card)}

    def hold(self, user_id: str) -> str:
        self._check()
        token = new_id()
        self._kept[user_id] = token
        return token

    def keep(self, cards: Iterable[Card], *, token: str = "") -> None:
        self._check()
        for card in cards:
            there = self._kept.get(card.id)
            older = isinstance(there, Card) and there.revision < card.revision
            if there is None or there == token or older:
                self._kept[card.id] = card

    def _check(self) -> None:
        if self.sick:
            raise Unavailable("redis")


def _card(user: User) -> Card:
    return Card(
        id=user.profile.id,
        username=None if user.deleted else user.profile.username,
        display_name=user.profile.display_name,
        about=user.profile.about,
        deleted=user.deleted,
        revision=user.revision,
    )
