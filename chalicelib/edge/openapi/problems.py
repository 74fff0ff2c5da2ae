"""Errors as clients see them: a problem (RFC 9457) with our `code`, and the members that some codes
add."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, WithJsonSchema

from chalicelib.errors import (
    AppError,
    RateLimited,
    SecondFactorRequired,
    Unavailable,
    ValidationFailed,
    document,
    link,
)
from chalicelib.wire import Model

_SERVER = "https://api.example.org"
REQUEST_ID = "7c0d4a52-2f1b-4a0e-9d52-0c6f0f6f3a11"


def _kinds(base: type[AppError]) -> Iterator[type[AppError]]:
    yield base
    for kind in base.__subclasses__():
        yield from _kinds(kind)


def codes() -> list[str]:
    """Every code that an error can have."""
    return sorted({kind.code for kind in _kinds(AppError)})


class FieldError(Model):
    """One thing that is wrong with a request."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    field: str = Field(
        description="Where: names with dots between, such as `content.text`. Empty for the whole.",
        examples=["content.text"],
    )
    kind: str = Field(
        description="What is wrong. A kind never changes its meaning; new ones may be added.",
        examples=["missing"],
    )
    message: str = Field(
        description="What is wrong, in a sentence for people.", examples=["This is required."]
    )
    min: int = Field(
        default_factory=int, description="The lower bound that the message names, if it names one."
    )
    max: int = Field(
        default_factory=int, description="The upper bound that the message names, if it names one."
    )


class Problem(Model):
    """An error (RFC 9457). Decide by `code`; show `detail` to people."""

    # Members that only some errors have are left out of the others. Nothing reads their defaults.
    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    type: str = Field(
        description="Where the error is explained: the address of an entry of `GET /v1/errors`.",
        examples=[link("not_found", _SERVER)],
        json_schema_extra={"format": "uri-reference"},
    )
    title: str = Field(
        description="The kind of error in words, always the same for a `code`.",
        examples=["Not found"],
    )
    status: int = Field(description="The HTTP status.", examples=[404])
    detail: str = Field(
        description="What went wrong, in a sentence for people.",
        examples=["There is nothing here."],
    )
    code: Annotated[str, WithJsonSchema({"type": "string", "enum": codes()})] = Field(
        description="What went wrong. A code never changes its meaning; new ones may be added.",
        examples=["not_found"],
    )
    request_id: str = Field(
        description="Names the request in our logs. Give it when you ask for help.",
        examples=[REQUEST_ID],
    )


class ValidationProblem(Problem):
    """Fields of the request that are not valid, and why."""

    code: Literal["validation_failed"] = Field(description="Always the same.")
    errors: list[FieldError] = Field(description="What is wrong where; at most 20 entries.")


class RetryProblem(Problem):
    """An error that goes away: send the same request again later."""

    code: Literal["rate_limited", "unavailable"] = Field(
        description="`rate_limited`: you ask too often. `unavailable`: a server is away."
    )
    retry_after: int = Field(
        description="Wait so many seconds, then try again.", examples=[2], ge=1
    )


class SecondFactorProblem(Problem):
    """The password is right, and the account has a second factor: send the same request again with
    `second_factor` or `passkey` besides."""

    code: Literal["second_factor_required"] = Field(description="Always the same.")
    methods: list[Literal["totp", "recovery_code", "passkey"]] = Field(
        description="What may be given: a code of the authenticator app (`totp`) or a recovery "
        "code as `second_factor`, or the answer of a passkey as `passkey`.",
        examples=[["totp", "recovery_code"]],
    )
    passkey: dict[str, Any] = Field(
        default_factory=dict,
        description="The options to ask a passkey with, where the account has one: the `publicKey` "
        "of `navigator.credentials.get`, in JSON.",
    )


class OAuthProblem(Problem):
    """An error of an endpoint of OAuth 2.0, with what OAuth libraries look for (RFC 6749, section
    5.2; RFC 6750, section 3.1)."""

    error: str = Field(
        description="The error code of OAuth 2.0.", examples=["temporarily_unavailable"]
    )
    error_description: str = Field(
        description="The same as `detail`.", examples=["The service cannot answer now. Try again."]
    )
    errors: list[FieldError] = Field(
        default_factory=list, description="What is wrong where, with `validation_failed`."
    )
    retry_after: int = Field(
        default_factory=int,
        description="With `rate_limited` and `unavailable`: wait so many seconds.",
        ge=1,
    )


_MORE: dict[str, tuple[type[Problem], dict[str, Any]]] = {
    ValidationFailed.code: (
        ValidationProblem,
        {"errors": [{"field": "content.text", "kind": "missing", "message": "This is required."}]},
    ),
    RateLimited.code: (RetryProblem, {"retry_after": 2}),
    Unavailable.code: (RetryProblem, {"retry_after": 2}),
    SecondFactorRequired.code: (
        SecondFactorProblem,
        {"methods": ["totp", "recovery_code"]},
    ),
}
"""By code, the members that it adds to a problem: the model and an example."""

MODELS = (Problem, ValidationProblem, RetryProblem, SecondFactorProblem, OAuthProblem)


def models_for(errors: list[type[AppError]], *, oauth: bool) -> list[type[Problem]]:
    """The models of a response with one of these errors, the most specific first."""
    if oauth:
        return [OAuthProblem]
    found = dict.fromkeys(_MORE[one.code][0] if one.code in _MORE else Problem for one in errors)
    return sorted(found, key=lambda model: model is Problem)


def example_for(error: type[AppError]) -> dict[str, Any]:
    """A problem as it is answered."""
    _, more = _MORE.get(error.code, (Problem, {}))
    return document(error.code, error.status, error.message, more, REQUEST_ID, _SERVER)
