"""Passkeys: what is kept of them, and what clients send and see."""

from base64 import urlsafe_b64decode
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, ConfigDict, Field

from chalicelib.text.sentences import said
from chalicelib.users.devices import DeviceKey
from chalicelib.users.models import Name
from chalicelib.wire import Input, Model, OurId, Utc


class Unacceptable(Exception):
    """What a browser sent is not an answer that we can accept."""


class Passkey(NamedTuple):
    """A passkey as it is checked, its public key in COSE form; whether its user is suspended."""

    id: str
    user_id: str
    credential_id: bytes
    public_key: bytes
    sign_count: int
    suspended: bool = False


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
    """Part of what browsers make (WebAuthn Level 3, section 5.1): what they add is passed over."""

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
    """What a browser says of a passkey, whether it is new or answers."""

    id: Annotated[
        _Base64,
        Field(max_length=1364, description="Names the passkey, in base64url."),
        _MADE,
    ]
    type: Literal["public-key"] = Field(description="What browsers always write.")


class PasskeyMade(_Credential):
    """A new passkey: the `RegistrationResponseJSON` of a browser (WebAuthn Level 3). Further
    members are passed over."""

    response: Attestation = Field(description="What the authenticator made.")

    def standard(self) -> dict[str, Any]:
        return _standard(self.id, self.response)


class PasskeyAnswer(_Credential):
    """A passkey's answer: the `AuthenticationResponseJSON` of a browser (WebAuthn Level 3). Further
    members are passed over."""

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


class NewPasskey(Input):
    """What a browser made of the options, and what its user calls it."""

    name: Annotated[Name, Field(description="What you call it.", examples=["Ana's laptop"])]
    credential: PasskeyMade = Field(description="What `navigator.credentials.create` made.")


class PasskeyName(Input):
    """Renames a passkey."""

    name: Annotated[Name, Field(description="What you call it.", examples=["Ana's laptop"])]


class PasskeySignIn(Input):
    """What a browser made of the options."""

    credential: PasskeyAnswer = Field(description="What `navigator.credentials.get` made.")
    device_name: Name | None = Field(
        None, description="What the list of sessions calls this device."
    )
    device_key: DeviceKey = None


class PasskeyOptions(Model):
    """The `publicKey` of what a browser is asked, in JSON (WebAuthn Level 3, sections 5.1.9 and
    5.1.10). Answer within five minutes, once."""

    options: dict[str, Any] = Field(
        description="What `PublicKeyCredential.parseCreationOptionsFromJSON` or "
        "`parseRequestOptionsFromJSON` takes.",
        examples=[
            {
                "challenge": "kM9dVbq7Z1wJx4Yw0aX3bqQf2mVbq7Z1wJx4Yw0aX3Y",
                "rpId": "chat.example.org",
                "timeout": 300000,
                "userVerification": "required",
            }
        ],
    )


class PasskeyInfo(Model):
    """A passkey as its user sees it."""

    id: OurId = Field(description="Names it in the paths of this API.")
    name: str = Field(description="What its user calls it.", examples=["Ana's laptop"])
    created_at: Utc = Field(description="When it was added.")
    last_used_at: Utc | None = Field(description="When it last signed in; null if it never did.")


class PasskeyList(Model):
    """Passkeys, oldest first."""

    items: list[PasskeyInfo] = Field(description="All of them.")


def _standard(credential_id: str, response: _Standard) -> dict[str, Any]:
    given = response.model_dump(by_alias=True, exclude_none=True)
    return {"id": credential_id, "rawId": credential_id, "type": "public-key", "response": given}


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
