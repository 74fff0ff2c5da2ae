"""Stages: infra/stages.toml, validated."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from chalicelib.config import Settings
from infra.deploy.errors import Stopped

FILE = Path(__file__).resolve().parent.parent / "stages.toml"

# What CloudWatch Logs accepts.
Days = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 3653]

GIVEN = frozenset(
    {
        "STAGE", "ISSUER", "WS_URL", "WS_ENDPOINT_URL", "EXPORTS_BUCKET", "SECRETS",
        "SECRETS_VERSION", "SECRETS_URL",
    }
)  # fmt: skip
"""Settings that the deploy sets; a stage cannot."""

SECRET = frozenset(
    {
        "POSTGRES_URL", "MESSAGES_URL", "REDIS_URL", "AMQP_URL", "JWT_KEYS", "JWT_PUBLIC_KEYS",
        "FCM_CREDENTIALS", "POSTGRES_ADMIN_URL", "BROKER_ADMIN",
    }
)  # fmt: skip
"""Settings that come from Secrets Manager."""


def _text(value: object) -> object:
    """CloudFormation and Lambda accept only text."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


Text = Annotated[str, BeforeValidator(_text)]


class Throttles(BaseModel):
    """Requests and frames that the two APIs accept: per second, and in a burst.

    Posts to sockets come out of the same 10,000 a second of the account: these must leave room.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    http_rate: Annotated[int, Field(ge=1, le=8000)] = 200
    http_burst: Annotated[int, Field(ge=1, le=5000)] = 400
    socket_rate: Annotated[int, Field(ge=1, le=8000)] = 500
    socket_burst: Annotated[int, Field(ge=1, le=5000)] = 1000


_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
Host = Annotated[str, Field(pattern=rf"^({_LABEL}\.)+[a-z]{{2,63}}$", max_length=253)]


class Domains(BaseModel):
    """Domain names for the two APIs, and the certificate in ACM that covers both."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    http: Host
    socket: Host
    certificate: Annotated[
        str, Field(pattern=r"^arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate/[\w-]+$")
    ]

    @model_validator(mode="after")
    def _two_names(self) -> "Domains":
        if self.http == self.socket:
            raise ValueError("http and socket must differ: one name serves one kind of API")
        return self

    @property
    def names(self) -> tuple[str, str]:
        """Of the REST API, and of the WebSocket API."""
        return self.http, self.socket


class Stage(BaseModel):
    """One stage: where it lives, and what differs from the defaults there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{1,15}$")]
    account: Annotated[str, Field(pattern=r"^(\d{12})?$")] = ""
    region: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")]
    architecture: Literal["arm64", "x86_64"] = "arm64"
    python: Literal["3.11", "3.12", "3.13"] = "3.13"
    alarm_email: Annotated[str, Field(pattern=r"^([^@\s]+@[^@\s]+)?$")] = ""
    log_retention_days: Days = 14
    throttles: Throttles = Throttles()
    domains: Domains | None = None
    network: dict[str, Text] = {}
    data: dict[str, Text] = {}
    watch: dict[str, Text] = {}
    settings: dict[str, Text] = {}

    @field_validator("settings")
    @classmethod
    def _known_settings(cls, given: dict[str, str]) -> dict[str, str]:
        for name in given:
            if name in SECRET:
                raise ValueError(f"{name} is secret: it comes from Secrets Manager")
            if name in GIVEN or name.startswith("AWS_"):
                raise ValueError(f"{name} is set by the deploy")
            if name != name.upper() or name.lower() not in Settings.model_fields:
                raise ValueError(f"{name} is no setting; docs/configuration.md lists them")
        try:
            Settings.model_validate({k.lower(): value for k, value in given.items() if value})
        except ValidationError as error:
            for each in error.errors(include_url=False):
                if (name := str(each["loc"][0]).upper()) in given:  # others come from secrets
                    raise ValueError(f"{name}: {each['msg']}") from None
        return given

    @model_validator(mode="after")
    def _certificate_is_here(self) -> "Stage":
        if self.domains:
            region, account = self.domains.certificate.split(":")[3:5]
            if region != self.region or account != self.account:
                raise ValueError("domains.certificate must be in the stage's account and region")
        return self

    @property
    def is_protected(self) -> bool:
        """Whether databases and stacks cannot be deleted; the default of infra/data.yaml is yes."""
        return self.data.get("DeletionProtection", "true") == "true"

    @property
    def access_token_seconds(self) -> int:
        """The lifetime of this stage's access tokens, in seconds."""
        default = Settings.model_fields["access_token_seconds"].default
        return int(self.settings.get("ACCESS_TOKEN_SECONDS", default))


def load(name: str, path: Path = FILE) -> Stage:
    """Read a stage. Raises Stopped, which names each key that is wrong."""
    try:
        stages = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise Stopped(f"{path.name} is not TOML: {error}") from None
    if name not in stages:
        raise Stopped(f"{path.name} has no stage {name!r}, only: {', '.join(stages)}.")
    try:
        return Stage.model_validate({**stages[name], "name": name})
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in (name, *each['loc']))}: {each['msg']}"
            for each in error.errors(include_url=False)
        )
        raise Stopped(f"{path.name} cannot be used: {wrong}.") from None
