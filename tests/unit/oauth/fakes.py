"""Clients, codes and consents in memory. They pass the same contract tests as the real stores."""

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime, timedelta

from chalicelib.clock import Now, Time
from chalicelib.errors import Unavailable
from chalicelib.oauth.clients.models import OAuthClient
from chalicelib.oauth.clients.store import ClientStore
from chalicelib.oauth.consents.store import MAX_CONSENTS, Allowed, ConsentStore
from chalicelib.oauth.tokens.codes import Code, Codes
from chalicelib.wire import now
from tests.unit.auth.fake_tables import Tables


class FakeClientStore(ClientStore):
    """`reads`: how often a client was read. `writes`: how often a use was noted. `down`: PostgreSQL
    does not answer when a use is noted."""

    def __init__(self, clock: Callable[[], datetime] = now) -> None:
        self.clock = clock
        self.reads = 0
        self.writes = 0
        self.down = False
        self.known: dict[str, OAuthClient] = {}
        self.deleted: set[str] = set()

    def add(self, client: OAuthClient) -> None:
        self.known[client.id] = client

    def get(self, client_id: str) -> OAuthClient | None:
        self.reads += 1
        client = self.known.get(client_id)
        if client is None or client_id in self.deleted:
            return None
        if client.former_until is not None and client.former_until <= self.clock():
            return replace(client, former_digest=None, former_until=None)
        return client

    def clients(self, *, before: str | None, limit: int) -> list[OAuthClient]:
        standing = [one for client_id in self.known if (one := self.get(client_id))]
        standing.sort(key=lambda one: one.id, reverse=True)
        return [one for one in standing if before is None or one.id < before][:limit]

    def public_redirect_uris(self) -> list[str]:
        standing = [one for one in self.known.values() if one.id not in self.deleted]
        return [uri for one in standing if not one.confidential for uri in one.redirect_uris]

    def update(self, client: OAuthClient) -> None:
        self.known[client.id] = client

    def rotate(self, client_id: str, digest: bytes, *, kept: timedelta, now: Time) -> None:
        client, time = self.known[client_id], self._at(now)
        if client.secret_digest is None:
            return
        both = client.former_until is not None and client.former_until > time
        if client.used_at is None and both:
            former = client.former_digest, client.former_until, client.former_used_at
        else:
            former = client.secret_digest, time + kept, client.used_at
        self.known[client_id] = replace(
            client,
            secret_digest=digest,
            used_at=None,
            former_digest=former[0],
            former_until=former[1],
            former_used_at=former[2],
        )

    def end_former(self, client_id: str) -> None:
        self.known[client_id] = replace(
            self.known[client_id],
            former_digest=None,
            former_until=None,
            former_used_at=None,
        )

    def note_use(
        self, client_id: str, digest: bytes | None, *, every: timedelta, now: Time
    ) -> None:
        if self.down:
            raise Unavailable("postgres")
        client, time = self.known[client_id], self._at(now)
        current = digest == client.secret_digest
        if not current and digest != client.former_digest:
            return
        noted = client.used_at if current else client.former_used_at
        if noted is None or noted < time - every:
            self.writes += 1
            self.known[client_id] = (
                replace(client, used_at=time) if current else replace(client, former_used_at=time)
            )

    def delete(self, client_id: str, now: Time) -> bool:
        if client_id not in self.known:
            return False
        self.deleted.add(client_id)
        self.known[client_id] = replace(
            self.known[client_id], secret_digest=None, former_digest=None
        )
        return True

    def _at(self, now: Time) -> datetime:
        return self.clock() if isinstance(now, Now) else now


class FakeCodes(Codes):
    """Nothing expires."""

    def __init__(self) -> None:
        self._codes: dict[str, Code] = {}
        self._used: dict[str, Code] = {}
        self._again: set[str] = set()
        self._void: set[str] = set()

    def keep(self, text: str, code: Code) -> None:
        self._codes[text] = code

    def redeem(self, text: str, client_id: str, challenge: str) -> tuple[Code, bool] | None:
        used = text not in self._codes
        found = self._used.get(text) if used else self._codes[text]
        if found is None or found.client_id != client_id:
            return None
        if not used:
            self._used[text] = self._codes.pop(text)
        elif found.challenge == challenge:
            self._again.add(text)
        else:
            return None
        return found, used

    def came_again(self, text: str) -> bool:
        return text in self._again

    def void(self, token_id: str, seconds: int) -> None:
        self._void.add(token_id)

    def is_void(self, token_id: str) -> bool:
        return token_id in self._void


class FakeConsentStore(ConsentStore):
    def __init__(self, tables: Tables, clients: FakeClientStore) -> None:
        self._tables = tables
        self._clients = clients

    def remember(
        self, user_id: str, client_id: str, scopes: Collection[str], *, session_id: str, now: Time
    ) -> None:
        now = self._tables.at(now)
        with self._tables:
            opener = self._tables.sessions.get(session_id)
            if opener is None or opener.user_id != user_id or not opener.stood(now):
                return
            known = self.scopes(user_id, client_id)
            self._tables.consents[user_id, client_id] = known.union(scopes), now
            others = [
                (-time.timestamp(), client)
                for (user, client), (_, time) in self._tables.consents.items()
                if user == user_id and client != client_id
            ]
            for _, client in sorted(others)[MAX_CONSENTS - 1 :]:
                del self._tables.consents[user_id, client]

    def scopes(self, user_id: str, client_id: str) -> frozenset[str]:
        with self._tables:
            return self._tables.consents.get((user_id, client_id), (frozenset(), None))[0]

    def programs(self, user_id: str, now: Time) -> list[Allowed]:
        now = self._tables.at(now)
        with self._tables:
            held = [
                (client_id, scopes, time)
                for (user, client_id), (scopes, time) in self._tables.consents.items()
                if user == user_id
            ]
            held += [
                (one.client_id, frozenset((one.scope or "").split()), one.created_at)
                for one in self._tables.sessions.values()
                if one.user_id == user_id and one.client_id and one.stood(now)
            ]
        found: dict[str, Allowed] = {}
        for client_id, scopes, time in held:
            if (client := self._clients.get(client_id)) is None:
                continue
            before = found.get(client_id, Allowed(client_id, client.name, [], time))
            both = sorted(scopes.union(before.scopes))
            found[client_id] = before._replace(scopes=both, agreed_at=max(time, before.agreed_at))
        return sorted(found.values(), key=lambda one: (one.name, one.client_id))

    def forget(self, user_id: str, client_id: str) -> None:
        with self._tables:
            self._tables.consents.pop((user_id, client_id), None)

    def forget_program(self, client_id: str, limit: int) -> int:
        with self._tables:
            found = [key for key in self._tables.consents if key[1] == client_id][:limit]
            for key in found:
                del self._tables.consents[key]
            return len(found)
