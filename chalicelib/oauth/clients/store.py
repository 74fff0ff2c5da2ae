"""Registered programs, in PostgreSQL."""

from datetime import timedelta

from psycopg.rows import class_row

from chalicelib.clock import Time
from chalicelib.drivers.postgres import Postgres
from chalicelib.oauth.clients.models import OAuthClient

MOST_URIS = 10_000

_CLIENT = (
    "id, name, secret_digest, redirect_uris, post_logout_redirect_uris, scopes, created_at,"
    " require_pkce, claims_in_id_token"
)

_FOUND = f"""{_CLIENT}, used_at, former_used_at,
    CASE WHEN former_until > now() THEN former_digest END AS former_digest,
    CASE WHEN former_until > now() THEN former_until END AS former_until"""

# If nobody has used the current secret and the former one is still valid, the current one is
# dropped: the answer that contained it was probably lost.
_ROTATE = """
    UPDATE oauth_clients SET
        former_digest = CASE WHEN {unseen} THEN former_digest ELSE secret_digest END,
        former_until = CASE WHEN {unseen} THEN former_until ELSE %(now)s + %(kept)s END,
        former_used_at = CASE WHEN {unseen} THEN former_used_at ELSE used_at END,
        secret_digest = %(digest)s, used_at = NULL
    WHERE id = %(id)s AND deleted_at IS NULL AND secret_digest IS NOT NULL
""".replace("{unseen}", "used_at IS NULL AND former_until > %(now)s")

# The digest tells which secret was shown, even if it was replaced in the meantime.
_NOTE = """
    UPDATE oauth_clients SET
        used_at = CASE WHEN secret_digest IS NOT DISTINCT FROM %(digest)s
            THEN %(now)s ELSE used_at END,
        former_used_at = CASE WHEN former_digest = %(digest)s
            THEN %(now)s ELSE former_used_at END
    WHERE id = %(id)s AND deleted_at IS NULL AND CASE
        WHEN secret_digest IS NOT DISTINCT FROM %(digest)s
            THEN used_at IS NULL OR used_at < %(now)s - %(every)s
        WHEN former_digest = %(digest)s
            THEN former_used_at IS NULL OR former_used_at < %(now)s - %(every)s
        ELSE false
    END
"""


class ClientStore:
    """Raises Unavailable from every method when PostgreSQL does not answer."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    def add(self, client: OAuthClient) -> None:
        with self._postgres.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO oauth_clients ({_CLIENT}) VALUES ({', '.join(['%s'] * 9)})",
                [
                    client.id,
                    client.name,
                    client.secret_digest,
                    client.redirect_uris,
                    client.post_logout_redirect_uris,
                    client.scopes,
                    client.created_at,
                    client.require_pkce,
                    client.claims_in_id_token,
                ],
            )

    def get(self, client_id: str) -> OAuthClient | None:
        """A client, unless it was deleted."""
        with self._postgres.cursor(row_factory=class_row(OAuthClient)) as cursor:
            return cursor.execute(
                f"SELECT {_FOUND} FROM oauth_clients WHERE id = %s AND deleted_at IS NULL",
                [client_id],
            ).fetchone()

    def clients(self, *, before: str | None, limit: int) -> list[OAuthClient]:
        """Clients, newest first; with `before`, only those that are older than that one."""
        with self._postgres.cursor(row_factory=class_row(OAuthClient)) as cursor:
            return cursor.execute(
                f"SELECT {_FOUND} FROM oauth_clients WHERE deleted_at IS NULL"
                " AND (%(before)s::uuid IS NULL OR id < %(before)s::uuid)"
                " ORDER BY id DESC LIMIT %(limit)s",
                {"before": before, "limit": limit},
            ).fetchall()

    def public_redirect_uris(self) -> list[str]:
        """The redirect URIs of public clients, at most MOST_URIS."""
        with self._postgres.cursor() as cursor:
            found = cursor.execute(
                "SELECT DISTINCT unnest(redirect_uris) FROM oauth_clients"
                " WHERE secret_digest IS NULL AND deleted_at IS NULL LIMIT %s",
                [MOST_URIS],
            )
            return [uri for (uri,) in found]

    def update(self, client: OAuthClient) -> None:
        """Store what an admin may change of a client."""
        with self._postgres.cursor() as cursor:
            cursor.execute(
                "UPDATE oauth_clients SET name = %s, redirect_uris = %s,"
                " post_logout_redirect_uris = %s, scopes = %s, require_pkce = %s,"
                " claims_in_id_token = %s WHERE id = %s AND deleted_at IS NULL",
                [
                    client.name,
                    client.redirect_uris,
                    client.post_logout_redirect_uris,
                    client.scopes,
                    client.require_pkce,
                    client.claims_in_id_token,
                    client.id,
                ],
            )

    def rotate(self, client_id: str, digest: bytes, *, kept: timedelta, now: Time) -> None:
        """Replace the secret of a confidential client. The current secret becomes the former one
        and stays valid for the time `kept`. If nobody has used the current secret yet and the
        former one is still valid, the former one stays instead."""
        values = {"id": client_id, "digest": digest, "kept": kept, "now": now}
        with self._postgres.cursor() as cursor:
            cursor.execute(_ROTATE.encode(), values)

    def end_former(self, client_id: str) -> None:
        """End the former secret."""
        with self._postgres.cursor() as cursor:
            cursor.execute(
                "UPDATE oauth_clients SET former_digest = NULL, former_until = NULL,"
                " former_used_at = NULL WHERE id = %s",
                [client_id],
            )

    def note_use(
        self, client_id: str, digest: bytes | None, *, every: timedelta, now: Time
    ) -> None:
        """Note that a client has shown the secret with this digest; None for a public client.
        Writes nothing if a use of it was noted within the time `every`."""
        with self._postgres.cursor() as cursor:
            cursor.execute(_NOTE, {"id": client_id, "digest": digest, "every": every, "now": now})

    def delete(self, client_id: str, now: Time) -> bool:
        """Erase a client's secrets and hide the client. False if it never existed."""
        with self._postgres.cursor() as cursor:
            return bool(
                cursor.execute(
                    "UPDATE oauth_clients SET secret_digest = NULL, former_digest = NULL,"
                    " deleted_at = COALESCE(deleted_at, %s) WHERE id = %s",
                    [now, client_id],
                ).rowcount
            )
