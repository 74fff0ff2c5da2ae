"""Settings: the environment as one frozen model. Nothing else reads the environment."""

import os
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError


class SettingsInvalid(Exception):
    """Settings are missing or malformed; says which, never their values."""


Seconds = Annotated[int, Field(gt=0)]
Delay = Annotated[float, Field(gt=0)]
Delays = Annotated[
    tuple[Delay, Delay, Delay, Delay],
    BeforeValidator(lambda value: value.split(",") if isinstance(value, str) else value),
]


class Settings(BaseModel):
    """Every setting is the environment variable of the same name in capitals."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    stage: str = "local"
    log_level: str = "INFO"
    aws_region: str = "us-east-1"
    aws_access_key_id: str = ""
    aws_secret_access_key: SecretStr = SecretStr("")
    aws_session_token: SecretStr | None = None

    postgres_url: SecretStr
    messages_url: SecretStr
    redis_url: SecretStr
    amqp_url: SecretStr

    issuer: Annotated[str, Field(pattern=r"^https?://")]
    ws_url: Annotated[str, Field(pattern=r"^wss?://")]
    ws_endpoint_url: Annotated[str, Field(pattern=r"^https?://")]

    jwt_keys: SecretStr
    access_token_seconds: Seconds = 900
    session_seconds: Seconds = 60 * 60 * 24 * 60
    socket_ticket_seconds: Seconds = 30
    argon2_time_cost: Seconds = 2
    argon2_memory_kib: Annotated[int, Field(ge=8)] = 19 * 1024

    requests_per_second: Annotated[float, Field(gt=0)] = 20
    requests_burst: Seconds = 100
    frames_per_second: Annotated[float, Field(gt=0)] = 50
    frames_burst: Seconds = 200
    failed_logins_per_account: Seconds = 10
    failed_logins_per_address: Seconds = 100
    registrations_per_address: Seconds = 50
    refreshes_per_session: Seconds = 60
    throttle_window_seconds: Seconds = 900
    sockets_per_session: Seconds = 8

    pending_after_seconds: Seconds = 30
    delivered_within_seconds: Seconds = 20

    fcm_credentials: SecretStr
    fcm_url: str | None = None
    push_retry_seconds: Delays = (5, 30, 120, 600)

    @classmethod
    def load(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings. Raises SettingsInvalid, which names what is wrong."""
        given: dict[str, Any] = {
            name: environment[name.upper()]
            for name in cls.model_fields
            if environment.get(name.upper())
        }
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            wrong = "; ".join(
                f"{str(item['loc'][0]).upper()}: {item['msg']}"
                for item in error.errors(include_url=False, include_input=False)
            )
            raise SettingsInvalid(f"Settings are missing or malformed: {wrong}") from None
