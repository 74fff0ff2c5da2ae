"""Settings: the environment as one frozen model. Nothing else reads the environment."""

import json
import os
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
)

from chalicelib.drivers import secrets
from chalicelib.drivers.sigv4 import Signer
from chalicelib.limits.table import Limit, Overrides, table


class SettingsInvalid(Exception):
    """Settings are missing or malformed, or name a server that lacks what we need. The text names
    the settings, never their values."""


class NotGiven(SecretStr):
    """A secret that this function does not need and did not get. Using it raises an error.

    Each function reads only its own secrets, so no function has all of them.
    """

    def __init__(self, name: str) -> None:
        super().__init__("")
        self._name = name

    def get_secret_value(self) -> str:
        raise SettingsInvalid(f"Settings are missing: {self._name} was not given to this function")


def _url(*schemes: str) -> AfterValidator:
    def check(value: SecretStr) -> SecretStr:
        if value.get_secret_value().partition("://")[0] not in schemes:
            raise ValueError(f"begin it with {' or '.join(f'{one}://' for one in schemes)}")
        return value

    return AfterValidator(check)


def _json_object(value: SecretStr) -> SecretStr:
    try:
        found = json.loads(value.get_secret_value())
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ValueError("it is not a JSON object")
    return value


Seconds = Annotated[int, Field(gt=0)]
Delay = Annotated[float, Field(gt=0)]
Delays = Annotated[
    tuple[Delay, Delay, Delay, Delay],
    BeforeValidator(lambda value: value.split(",") if isinstance(value, str) else value),
]


def _overrides(given: Overrides) -> Overrides:
    table(given)
    return given


RateLimits = Annotated[
    dict[str, dict[str, tuple[Seconds, Seconds]]],
    BeforeValidator(lambda value: json.loads(value) if isinstance(value, str) else value),
    AfterValidator(_overrides),
]


_ORIGIN = r"https?://[a-z0-9.-]+(:[0-9]+)?"
_ORIGINS = rf"^(\*|{_ORIGIN}(, ?{_ORIGIN})*)?$"
_DOMAIN = r"^(([a-z0-9-]+\.)*[a-z][a-z0-9-]*)?$"
# Browsers allow passkeys on these origins only. Apps on Android have an origin with the key that
# signed them.
_PASSKEY_ORIGIN = (
    r"(https://[a-z0-9.-]+(:[0-9]+)?|http://localhost(:[0-9]+)?"
    r"|android:apk-key-hash:[A-Za-z0-9_-]{43})"
)
_PASSKEY_ORIGINS = rf"^({_PASSKEY_ORIGIN}(, ?{_PASSKEY_ORIGIN})*)?$"


class Settings(BaseModel):
    """Every setting is the environment variable of the same name in capitals. If that is not set,
    the setting is read from the secrets that `SECRETS` names, under the same name."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    stage: str = "local"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    secrets: str = ""
    secrets_url: Annotated[str | None, Field(pattern=r"^https?://")] = None
    aws_region: str = "us-east-1"
    aws_access_key_id: str = ""
    aws_secret_access_key: SecretStr = SecretStr("")
    aws_session_token: SecretStr | None = None

    postgres_url: Annotated[SecretStr, _url("postgresql", "postgres")]
    messages_url: Annotated[SecretStr, _url("mongodb", "mongodb+srv", "postgresql", "postgres")]
    # The URLs of PostgreSQL lead to a pooler that gives each transaction a session.
    postgres_pooled: bool = False
    redis_url: Annotated[SecretStr, _url("redis", "rediss")]
    amqp_url: Annotated[SecretStr, _url("amqp", "amqps")] = NotGiven("AMQP_URL")
    # For `maintain` only. Without them the servers have one account with all rights.
    postgres_admin_url: Annotated[SecretStr | None, _url("postgresql", "postgres")] = None
    broker_admin: Annotated[SecretStr | None, AfterValidator(_json_object)] = None

    issuer: Annotated[str, Field(pattern=r"^https?://")]
    cors_origins: Annotated[str, Field(pattern=_ORIGINS)] = ""
    ws_url: Annotated[str, Field(pattern=r"^wss?://")]
    ws_endpoint_url: Annotated[str, Field(pattern=r"^https?://")]

    jwt_keys: Annotated[SecretStr, AfterValidator(_json_object)] = NotGiven("JWT_KEYS")
    jwt_public_keys: Annotated[SecretStr, AfterValidator(_json_object)] = NotGiven(
        "JWT_PUBLIC_KEYS"
    )
    access_token_seconds: Seconds = 900
    session_seconds: Seconds = 60 * 60 * 24 * 60
    socket_ticket_seconds: Seconds = 30
    argon2_time_cost: Seconds = 2
    argon2_memory_kib: Annotated[int, Field(ge=8)] = 19 * 1024

    google_client_ids: Annotated[str, Field(pattern=r"^([\w.-]+(, ?[\w.-]+)*)?$")] = ""
    # A server that replaces Google can sign in as anybody, so only one on this machine is allowed.
    google_url: Annotated[str | None, Field(pattern=r"^http://127\.0\.0\.1:[0-9]+$")] = None

    passkey_rp_id: Annotated[str, Field(pattern=_DOMAIN)] = ""
    passkey_origins: Annotated[str, Field(pattern=_PASSKEY_ORIGINS)] = ""

    rate_limits: RateLimits = {}
    sockets_per_session: Seconds = 8

    pending_after_seconds: Seconds = 30
    delivered_within_seconds: Seconds = 20
    # Whether other services get an event for each message.
    message_events: bool = True

    fcm_credentials: Annotated[SecretStr, AfterValidator(_json_object)] = NotGiven(
        "FCM_CREDENTIALS"
    )
    fcm_url: str | None = None
    push_retry_seconds: Delays = (5, 30, 120, 600)

    mail_from: Annotated[str, Field(pattern=r"^([^@\s<>]+@[^@\s<>]+)?$")] = ""
    mail_url: Annotated[str | None, Field(pattern=r"^https?://")] = None
    exports_bucket: Annotated[str, Field(pattern=r"^([a-z0-9.-]+)?$")] = ""
    exports_url: Annotated[str | None, Field(pattern=r"^https?://")] = None
    reserved_names: Annotated[str, Field(max_length=4096)] = ""
    web_url: Annotated[str | None, Field(pattern=r"^https?://")] = None

    @property
    def exports_at(self) -> str:
        """The URL of the S3 server with the bucket for exports."""
        return self.exports_url or f"https://s3.{self.aws_region}.amazonaws.com"

    @cached_property
    def origins(self) -> tuple[str, ...]:
        """The origins whose pages may call, as browsers write them, or "*"."""
        return _listed(self.cors_origins)

    @cached_property
    def clients_at_google(self) -> tuple[str, ...]:
        """Our client ids at Google, the web client's first."""
        return _listed(self.google_client_ids)

    @cached_property
    def origins_of_passkeys(self) -> tuple[str, ...]:
        """The origins at which passkeys may be made and used."""
        return _listed(self.passkey_origins)

    @cached_property
    def brands(self) -> tuple[str, ...]:
        """Reserved names, besides our own."""
        return _listed(self.reserved_names)

    @property
    def verifying_keys(self) -> SecretStr:
        """The keys that verify tokens: only public keys if this function does not sign."""
        signs = not isinstance(self.jwt_keys, NotGiven)
        return self.jwt_keys if signs else self.jwt_public_keys

    @cached_property
    def limits(self) -> Mapping[str, Limit]:
        """The rate limits: the table, with the overrides of `rate_limits`."""
        return table(self.rate_limits)

    def signer(self, service: str) -> Signer:
        """Signs requests to a service of AWS, as this function."""
        token = self.aws_session_token
        return Signer(
            service,
            self.aws_region,
            access_key=self.aws_access_key_id,
            secret_key=self.aws_secret_access_key.get_secret_value(),
            token=token.get_secret_value() if token else None,
        )

    @classmethod
    def load(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings. The environment wins over secrets.

        Raises SettingsInvalid, which names what is wrong, or Unavailable where Secrets Manager
        does not answer in time.
        """
        given: dict[str, Any] = {
            name: environment[name.upper()]
            for name in cls.model_fields
            if environment.get(name.upper())
        }
        if "secrets" in given:
            given = {**_from_secrets(given), **given}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            wrong = "; ".join(
                f"{str(item['loc'][0]).upper()}: {item['msg'].removeprefix('Value error, ')}"
                for item in error.errors(include_url=False, include_input=False)
            )
            raise SettingsInvalid(f"Settings are missing or malformed: {wrong}") from None


def _listed(text: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in text.split(",") if one)


def public_address(environment: Mapping[str, str] = os.environ) -> str:
    """ISSUER, without reading the other settings: some are secrets that must be fetched."""
    return environment.get("ISSUER", "")


def trace_id(environment: Mapping[str, str] = os.environ) -> str | None:
    """The X-Ray trace id of the event that Lambda handles now."""
    for part in environment.get("_X_AMZN_TRACE_ID", "").split(";"):
        name, _, value = part.partition("=")
        if name == "Root":
            return value
    return None


def _from_secrets(given: Mapping[str, str]) -> dict[str, Any]:
    region = given.get("aws_region") or Settings.model_fields["aws_region"].default
    signer = Signer(
        "secretsmanager",
        region,
        access_key=given.get("aws_access_key_id", ""),
        secret_key=given.get("aws_secret_access_key", ""),
        token=given.get("aws_session_token"),
    )
    try:
        found = secrets.read(
            [one.strip() for one in given["secrets"].split(",") if one.strip()],
            url=given.get("secrets_url") or f"https://secretsmanager.{region}.amazonaws.com",
            signer=signer,
        )
    except secrets.SecretsUnreadable as error:
        raise SettingsInvalid(f"Settings cannot be read: SECRETS: {error}") from None
    return {name: found[name.upper()] for name in Settings.model_fields if found.get(name.upper())}
