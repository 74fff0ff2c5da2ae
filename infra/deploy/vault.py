"""The stage's secrets in Secrets Manager. Their values are never printed."""

import hashlib
import json
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from infra.deploy import keys
from infra.deploy.aws import Aws, code_of
from infra.deploy.errors import Stopped

JWT, JWT_PUBLIC, FCM = "JWT_KEYS", "JWT_PUBLIC_KEYS", "FCM_CREDENTIALS"
ADMIN = "BROKER_ADMIN"
_ACCOUNT_KEYS = ("type", "project_id", "private_key", "client_email", "token_uri")


class Vault:
    """Secrets whose text is a JSON object of settings."""

    def __init__(self, aws: Aws) -> None:
        self._api = aws.client("secretsmanager")

    def read(self, arn: str) -> dict[str, Any]:
        """The settings in a secret; empty if it has no value yet."""
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

    def fill_jwt(self, arn: str, public_arn: str, now: float) -> str:
        """Put signing keys into the secret if there are none, and publish their public keys."""
        held = self.read(arn)
        given = keys.read(held[JWT]) if held.get(JWT) else []
        whole = keys.completed(given, now)
        if whole != given:
            self.write_jwt(arn, public_arn, whole)
            return "JWT keys made"
        self.publish_jwt(public_arn, whole)
        return "JWT keys kept"

    def write_jwt(self, arn: str, public_arn: str, whole: list[keys.Key]) -> None:
        """Store a key set. Functions that only verify tokens get its public keys."""
        self.write(arn, {**self.read(arn), JWT: keys.write(whole)})
        self.publish_jwt(public_arn, whole)

    def publish_jwt(self, public_arn: str, whole: list[keys.Key]) -> None:
        """Store the public keys, if an earlier run did not."""
        held, halves = self.read(public_arn), keys.public(whole)
        if held.get(JWT_PUBLIC) != halves:
            self.write(public_arn, {**held, JWT_PUBLIC: halves})

    def fill_broker(self, arn: str, first_arn: str, url: str, generation: int) -> str:
        """Store the broker's administrator: at first the user that AWS made with the broker. A
        later generation gets a new password, which `maintain` sets. Until then both are kept."""
        held = json.loads(self.read(arn).get(ADMIN) or "{}")
        if not held:
            first = self.read(first_arn)
            held = {"username": first["username"], "passwords": [first["password"]]}
        elif held["generation"] < generation:
            held["passwords"].append(secrets.token_hex(20))
        told = {**held, "url": url, "generation": generation}
        if self.read(arn).get(ADMIN) == json.dumps(told):
            return "broker administrator kept"
        self.write(arn, {ADMIN: json.dumps(told)})
        return "broker administrator stored"

    def settle_broker(self, arn: str) -> None:
        """Remove the administrator's old passwords: the broker has accepted the newest one."""
        held = json.loads(self.read(arn)[ADMIN])
        if len(held["passwords"]) > 1:
            self.write(arn, {ADMIN: json.dumps({**held, "passwords": held["passwords"][-1:]})})

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

    def version(self, arn: str) -> str:
        """The current version of a secret."""
        versions = self._api.describe_secret(SecretId=arn).get("VersionIdsToStages", {})
        current = (each for each in versions if "AWSCURRENT" in versions[each])
        return f"{arn} {next(current, '')}"


def digest(versions: Sequence[str]) -> str:
    """A text that changes when a secret changes, which makes new containers."""
    return hashlib.sha256("\n".join(versions).encode()).hexdigest()[:16]


def service_account(path: Path) -> str:
    """The text of a service account file. Raises Stopped, without its content, if it is not one."""
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
