"""Users: their profiles."""

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from chalicelib.errors import Unavailable, UserNotFound
from chalicelib.users.models import (
    Card,
    Profile,
    ProfileChanges,
    ProfileList,
    PublicProfile,
    UserValidity,
    UserValidityList,
)

if TYPE_CHECKING:
    from chalicelib.users.cache import ProfileCache
    from chalicelib.users.names import ReservedNames
    from chalicelib.users.profile_store import UserStore

log = logging.getLogger(__name__)

T = TypeVar("T")


class Users:
    """Methods that look for a user raise UserNotFound."""

    def __init__(
        self,
        *,
        store: "UserStore",
        cache: "ProfileCache",
        names: "Callable[[], ReservedNames]",
    ) -> None:
        self._store = store
        self._cache = cache
        self._names = names

    def me(self, user_id: str) -> Profile:
        """A user as they see themselves."""
        return _found(self._store.profile(user_id))

    def update(self, user_id: str, changes: ProfileChanges) -> Profile:
        """Change what was sent of a profile, and nothing else. Raises ValidationFailed for a
        reserved display name that the user does not have yet."""
        sent = changes.model_dump(include=changes.model_fields_set)
        if not sent:
            return self.me(user_id)
        name = sent.get("display_name")
        if name and self._names().pretends(name) and self.me(user_id).display_name != name:
            self._names().refuse_display_name(name)
        with self.changing(user_id):
            return _found(self._store.update(user_id, sent))

    @contextmanager
    def changing(self, user_id: str) -> Iterator[None]:
        """Wraps a change of a user's public profile: after it, nobody sees the older profile.

        Raises Unavailable if Redis does not answer, before anything has changed.
        """
        token = self._cache.hold(user_id)
        yield
        try:
            changed = self._store.cards([user_id])
        except Unavailable:
            return  # the change is stored, and the hold stops older profiles from being cached
        self._keep(changed, token=token)

    def get(self, user_id: str) -> PublicProfile:
        """A user as others see them. Deleted users are shown as deleted, because messages refer to
        them."""
        return PublicProfile.of(_found(self._cards([user_id]).get(user_id)))

    def many(self, user_ids: Collection[str]) -> ProfileList:
        """Users as others see them, each once, in the order of the question. Those that do not
        exist are left out."""
        found = self._cards(user_ids)
        return ProfileList(items=[PublicProfile.of(card) for card in found.values()])

    def named(self, username: str) -> PublicProfile:
        """The user of exactly this name. Deleted ones are not found."""
        return PublicProfile.of(_found(self._store.named(username)))

    def require(self, user_id: str) -> None:
        """Raises UserNotFound unless there is such a user who is not deleted."""
        if not self._store.exists(user_id):
            raise UserNotFound()

    def validate(self, user_ids: Sequence[str]) -> UserValidityList:
        """Which users exist and are active: one round trip."""
        found = self._store.standing(user_ids)
        return UserValidityList(
            items=[
                UserValidity(user_id=one, exists=one in found, active=found.get(one, False))
                for one in user_ids
            ]
        )

    def names(self, user_ids: Collection[str]) -> dict[str, str]:
        """The display names of users that exist, by id."""
        return {one.id: one.display_name for one in self._cards(user_ids).values()}

    def _cards(self, user_ids: Collection[str]) -> dict[str, Card]:
        """Users that exist: one round trip to the cache, one to PostgreSQL for the others, and one
        to cache those."""
        ids = list(dict.fromkeys(user_ids))
        try:
            found = self._cache.find(ids) if ids else {}
        except Unavailable as error:
            log.warning("profiles not read from the cache", extra={"dependency": error.dependency})
            found = self._fresh(ids)
        else:
            fresh = self._fresh([one for one in ids if one not in found])
            self._keep(fresh.values())
            found |= fresh
        return {one: found[one] for one in ids if one in found}

    def _fresh(self, user_ids: Collection[str]) -> dict[str, Card]:
        return {card.id: card for card in self._store.cards(user_ids)} if user_ids else {}

    def _keep(self, cards: Collection[Card], *, token: str = "") -> None:
        try:
            self._cache.keep(cards, token=token)
        except Unavailable as error:
            log.warning("profiles not cached", extra={"dependency": error.dependency})


def _found(value: T | None) -> T:
    if value is None:
        raise UserNotFound()
    return value
