"""The stage's secrets in Secrets Manager. Their values are never printed."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from infra.deploy import keys
from infra.deploy.aws import Aws, code_of
from infra.deploy.errors import Stopped

JWT, FCM = "JWT_KEYS", "FCM_CREDENTIALS"
_ACCOUNT_KEYS = ("type", "project_id", "private_key", "client_email", "token_uri")


class Vault:
    """Secrets whose text is a JSON object of settings."""

    def __init__(self, aws: Aws) -> None:
        self._api = aws.client("secretsmanager")

    def read(self, arn: str) -> dict[str, Any]:
        """What a secret holds; empty if it holds nothing yet."""
        try:
            text = self._api.get_secret_value(SecretId=arn)["SecretString"]
        except ClientError as error:
            if code_of(error) == "ResourceNotFoundException" and "staging label" in str(error):
                return {}
            raise
        try:
            held = json.loads(text or "{}")
        except ValueError:
            held = None
        if not isinstance(held, dict):
            raise Stopped(f"{arn} does not hold a JSON object.")
        return held

    def write(self, arn: str, held: dict[str, Any]) -> None:
        """Put a new version into a secret."""
        self._api.put_secret_value(SecretId=arn, SecretString=json.dumps(held))

    def fill_jwt(self, arn: str, now: float) -> str:
        """Put signing keys into the secret where there are none."""
        held = self.read(arn)
        given = keys.read(held[JWT]) if held.get(JWT) else []
        whole = keys.completed(given, now)
        if whole == given:
            return "JWT keys kept"
        self.write(arn, {**held, JWT: keys.write(whole)})
        return "JWT keys made"

    def fill_fcm(self, arn: str, given: Path | None, again: str) -> str:
        """Put the given service account into the secret; without one, it must be there."""
        held = self.read(arn)
        if given is None:
            if not held.get(FCM):
                raise Stopped(
                    "Firebase's credentials are missing. In the Firebase console, Project "
                    "settings, Service accounts, generate a private key, then: "
                    f"{again} FCM=path/to/it.json\nDelete the file afterwards."
                )
            return "FCM credentials kept"
        account = service_account(given)
        if held.get(FCM) == account:
            return "FCM credentials unchanged"
        self.write(arn, {**held, FCM: account})
        return "FCM credentials stored"

    def version(self, arns: Sequence[str]) -> str:
        """Changes whenever one of the secrets does: a new value makes new containers."""
        current = []
        for arn in arns:
            versions = self._api.describe_secret(SecretId=arn).get("VersionIdsToStages", {})
            current += [f"{arn} {each}" for each in versions if "AWSCURRENT" in versions[each]]
        return hashlib.sha256("\n".join(current).encode()).hexdigest()[:16]


def service_account(path: Path) -> str:
    """The text of a service account file. Raises Stopped if it is none; says nothing of it."""
    try:
        account = json.loads(path.read_text())
    except OSError as error:
        raise Stopped(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise Stopped(f"{path} is not JSON.") from None
    missing = [key for key in _ACCOUNT_KEYS if not isinstance(account, dict) or key not in account]
    if missing or account["type"] != "service_account":
        lacks = f": it lacks {', '.join(missing)}" if missing else ""
        raise Stopped(f"{path} is not a service account of Google{lacks}.")
    return json.dumps(account)
