"""Programs, codes and consents in memory, held to the same contract as the real stores."""

from collections.abc import Collection
from dataclasses import replace

from chalicelib.clock import Time
from chalicelib.oauth.consents import MAX_CONSENTS, Allowed, ConsentStore
from chalicelib.oauth.models import Code, OAuthClient
from chalicelib.oauth.store import ClientStore, Codes
from tests.unit.auth.fake_tables import Tables


class FakeClientStore(ClientStore):
    def __init__(self) -> None:
        self.known: dict[str, OAuthClient] = {}
        self.deleted: set[str] = set()

    def add(self, client: OAuthClient) -> None:
        self.known[client.id] = client

    def get(self, client_id: str) -> OAuthClient | None:
        return None if client_id in self.deleted else self.known.get(client_id)

    def clients(self, *, before: str | None, limit: int) -> list[OAuthClient]:
        standing = [one for one in self.known.values() if one.id not in self.deleted]
        standing.sort(key=lambda one: one.id, reverse=True)
        return [one for one in standing if before is None or one.id < before][:limit]

    def public_redirect_uris(self) -> list[str]:
        standing = [one for one in self.known.values() if one.id not in self.deleted]
        return [uri for one in standing if not one.confidential for uri in one.redirect_uris]

    def delete(self, client_id: str, now: Time) -> bool:
        if client_id not in self.known:
            return False
        self.deleted.add(client_id)
        self.known[client_id] = replace(self.known[client_id], secret_digest=None)
        return True


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
