"""Passkeys as they are stored, and as clients send and see them."""

from typing import Annotated, Any, NamedTuple

from pydantic import Field

from chalicelib.auth.passkey_answers import PasskeyAnswer, PasskeyMade
from chalicelib.users.device_models import DeviceKey
from chalicelib.users.models import Name
from chalicelib.wire import Input, Model, OurId, Utc


class Unacceptable(Exception):
    """What a browser sent is not an answer that we can accept."""


class Passkey(NamedTuple):
    """A passkey with what is needed to check it: its public key in COSE form, and whether its user
    is suspended."""

    id: str
    user_id: str
    credential_id: bytes
    public_key: bytes
    sign_count: int
    suspended: bool = False


class NewPasskey(Input):
    """A browser's answer to the options, and the user's name for the passkey."""

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
    """The `publicKey` options for a browser, in JSON (WebAuthn Level 3, sections 5.1.9 and 5.1.10).
    They work once, within five minutes."""

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

    id: OurId = Field(description="Its id in the paths of this API.")
    name: str = Field(description="What its user calls it.", examples=["Ana's laptop"])
    created_at: Utc = Field(description="When it was added.")
    last_used_at: Utc | None = Field(description="When it last signed in; null if it never did.")


class PasskeyList(Model):
    """Passkeys, oldest first."""

    items: list[PasskeyInfo] = Field(description="All of them.")
