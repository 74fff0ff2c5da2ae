"""The answers of passkeys (WebAuthn Level 3), as browsers make them and clients send them."""

from base64 import urlsafe_b64decode
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from chalicelib.text.sentences import said
from chalicelib.wire import Input

_Base64 = Annotated[
    # Unpadded; one character more than a multiple of four encodes nothing.
    str,
    Field(
        min_length=2,
        pattern=r"^([A-Za-z0-9_-]{4})*([A-Za-z0-9_-]{2,3})?$",
        examples=["eyJ0eXBlIjoid2ViYXV0aG4uZ2V0In0"],
    ),
]

_MADE = said("not_base64url", "Send this as the browser made it: base64url without padding.")


def _absent_if_empty(value: Any) -> Any:
    # Safari sends "" where an authenticator names no user.
    return None if value == "" else value


class _Standard(Input):
    """Part of a browser's answer (WebAuthn Level 3, section 5.1). Unknown members are ignored."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class Attestation(_Standard):
    """Says which key pair was made."""

    client_data: Annotated[
        _Base64,
        Field(
            max_length=4096,
            alias="clientDataJSON",
            description="What the browser signed for, in base64url.",
        ),
        _MADE,
    ]
    attestation_object: Annotated[
        _Base64,
        Field(
            max_length=8192,
            alias="attestationObject",
            description="The new public key, in CBOR and base64url.",
        ),
        _MADE,
    ]


class Assertion(_Standard):
    """Says that the private key was there, and its user."""

    client_data: Annotated[
        _Base64,
        Field(
            max_length=4096,
            alias="clientDataJSON",
            description="What the browser signed for, in base64url.",
        ),
        _MADE,
    ]
    authenticator_data: Annotated[
        _Base64,
        Field(
            max_length=4096,
            alias="authenticatorData",
            description="What the authenticator says of itself, in base64url.",
        ),
        _MADE,
    ]
    signature: Annotated[
        _Base64,
        Field(max_length=2048, description="The signature, in base64url."),
        _MADE,
    ]
    user_handle: Annotated[
        Annotated[_Base64, Field(max_length=88), _MADE] | None,
        Field(alias="userHandle", description="Whose passkey it is, in base64url."),
        BeforeValidator(_absent_if_empty),
    ] = None


class _Credential(_Standard):
    """A browser's answer about a passkey, either a new one or an existing one."""

    id: Annotated[
        _Base64,
        Field(max_length=1364, description="Names the passkey, in base64url."),
        _MADE,
    ]
    type: Literal["public-key"] = Field(description="What browsers always write.")


class PasskeyMade(_Credential):
    """A new passkey: the `RegistrationResponseJSON` of a browser (WebAuthn Level 3). Further
    members are ignored."""

    response: Attestation = Field(description="What the authenticator made.")

    def standard(self) -> dict[str, Any]:
        return _standard(self.id, self.response)


class PasskeyAnswer(_Credential):
    """A passkey's answer: the `AuthenticationResponseJSON` of a browser (WebAuthn Level 3). Further
    members are ignored."""

    response: Assertion = Field(description="What the authenticator made.")

    @property
    def credential_id(self) -> bytes:
        return _decoded(self.id)

    @property
    def handle(self) -> bytes | None:
        given = self.response.user_handle
        return None if given is None else _decoded(given)

    def standard(self) -> dict[str, Any]:
        return _standard(self.id, self.response)


def _standard(credential_id: str, response: _Standard) -> dict[str, Any]:
    given = response.model_dump(by_alias=True, exclude_none=True)
    return {"id": credential_id, "rawId": credential_id, "type": "public-key", "response": given}


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
