"""What the contract tests of revocation share."""

from chalicelib.auth.sessions.revocation import Revocation
from chalicelib.limits.table import Use

DEFAULT = Use()


def revoke(revocation: Revocation, user_id: str, session_ids: list[str]) -> None:
    if commands := revocation.tombstones(user_id, session_ids):
        revocation._scripts.run_all(commands)
