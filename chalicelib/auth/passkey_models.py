"""Passkeys: what is kept of them, and what clients send and see."""

from base64 import urlsafe_b64decode
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, ConfigDict, Field

from chalicelib.sentences import said
from chalicelib.users.models import DeviceKey, Name
from chalicelib.wire import Input, Model, Utc


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
    Field(min_length=2, pattern=r"^([A-Za-z0-9_-]{4})*([A-Za-z0-9_-]{2,3})?$"),
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

    client_data: Annotated[_Base64, Field(max_length=4096, alias="clientDataJSON"), _MADE]
    attestation_object: Annotated[_Base64, Field(max_length=8192, alias="attestationObject"), _MADE]


class Assertion(_Standard):
    """Says that the private key was there, and its user."""

    client_data: Annotated[_Base64, Field(max_length=4096, alias="clientDataJSON"), _MADE]
    authenticator_data: Annotated[_Base64, Field(max_length=4096, alias="authenticatorData"), _MADE]
    signature: Annotated[_Base64, Field(max_length=2048), _MADE]
    user_handle: Annotated[
        Annotated[_Base64, Field(max_length=88), _MADE] | None,
        Field(alias="userHandle"),
        BeforeValidator(_absent_if_empty),
    ] = None


class PasskeyMade(_Standard):
    """A RegistrationResponseJSON."""

    id: Annotated[_Base64, Field(max_length=1364), _MADE]
    type: Literal["public-key"]
    response: Attestation

    def standard(self) -> dict[str, Any]:
        return _standard(self.id, self.response)


class PasskeyAnswer(_Standard):
    """An AuthenticationResponseJSON."""

    id: Annotated[_Base64, Field(max_length=1364), _MADE]
    type: Literal["public-key"]
    response: Assertion

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

    name: Name
    credential: PasskeyMade


class PasskeyName(Input):
    """Renames a passkey."""

    name: Name


class PasskeySignIn(Input):
    """What a browser made of the options."""

    credential: PasskeyAnswer
    device_name: Name | None = None
    device_key: DeviceKey = None


class PasskeyOptions(Model):
    """The `publicKey` of what a browser is asked, in JSON (WebAuthn Level 3, sections 5.1.9 and
    5.1.10). Answer within five minutes, once."""

    options: dict[str, Any]


class PasskeyInfo(Model):
    """A passkey as its user sees it."""

    id: str
    name: str
    created_at: Utc
    last_used_at: Utc | None


class PasskeyList(Model):
    """Passkeys, oldest first."""

    items: list[PasskeyInfo]


def _standard(credential_id: str, response: _Standard) -> dict[str, Any]:
    given = response.model_dump(by_alias=True, exclude_none=True)
    return {"id": credential_id, "rawId": credential_id, "type": "public-key", "response": given}


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
