"""Registered programs and codes in memory, held to the same contract as the real stores."""

from dataclasses import replace

from chalicelib.clock import Time
from chalicelib.oauth.models import Code, OAuthClient
from chalicelib.oauth.store import ClientStore, Codes


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
