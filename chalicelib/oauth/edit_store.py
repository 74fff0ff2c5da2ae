"""Changes of registered programs, and when they last asked, in PostgreSQL."""

from datetime import timedelta

from chalicelib.clock import Time
from chalicelib.drivers.postgres import Postgres
from chalicelib.oauth.models import OAuthClient

# While a former secret is good, one that nobody has shown yet is replaced without a trace: the
# answer that told it may be lost.
_ROTATE = """
    UPDATE oauth_clients SET
        former_digest = CASE WHEN {unseen} THEN former_digest ELSE secret_digest END,
        former_until = CASE WHEN {unseen} THEN former_until ELSE %(now)s + %(kept)s END,
        former_used_at = CASE WHEN {unseen} THEN former_used_at ELSE used_at END,
        secret_digest = %(digest)s, used_at = NULL
    WHERE id = %(id)s AND deleted_at IS NULL AND secret_digest IS NOT NULL
""".replace("{unseen}", "used_at IS NULL AND former_until > %(now)s")

# The digest says which secret it was, even if it was replaced meanwhile.
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


class EditStore:
    """Raises Unavailable from every method when PostgreSQL does not answer."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    def update(self, client: OAuthClient) -> None:
        """Keep what an admin may change of a program."""
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
        """Replace the secret of a program that has one. The one until now stays good for a time. If
        nobody has shown that one yet, and one before it is still good, that one stays instead."""
        values = {"id": client_id, "digest": digest, "kept": kept, "now": now}
        with self._postgres.cursor() as cursor:
            cursor.execute(_ROTATE.encode(), values)

    def end_former(self, client_id: str) -> None:
        """Refuse the secret that was replaced, from now on."""
        with self._postgres.cursor() as cursor:
            cursor.execute(
                "UPDATE oauth_clients SET former_digest = NULL, former_until = NULL,"
                " former_used_at = NULL WHERE id = %s",
                [client_id],
            )

    def note_use(
        self, client_id: str, digest: bytes | None, *, every: timedelta, now: Time
    ) -> None:
        """Note that a program has shown the secret of a digest; None: it is public. Writes nothing
        if that was noted within the time."""
        with self._postgres.cursor() as cursor:
            cursor.execute(_NOTE, {"id": client_id, "digest": digest, "every": every, "now": now})
