"""What signing in with Google takes and gives."""

from typing import Annotated

from pydantic import Field

from chalicelib.auth.fields import DeviceName, PasskeyFactor, SecondFactor
from chalicelib.auth.models import PasswordProof
from chalicelib.users.device_models import DeviceKey
from chalicelib.users.models import Name, Username
from chalicelib.wire import Input, Model, Token, Utc

IdToken = Annotated[
    Token,
    Field(
        min_length=1,
        max_length=8192,
        repr=False,
        description="The ID token that Google gave.",
        examples=["eyJhbGciOiJSUzI1NiIs"],
    ),
]
Nonce = Annotated[
    Token,
    Field(
        min_length=22,
        max_length=128,
        repr=False,
        description="Random text, made by the client for this sign-in. Google was given its "
        "SHA-256, in hexadecimal, as `nonce`.",
        examples=["n-0S6_WzA2MjR3uYkq9fVx"],
    ),
]
"""Random, made by the client for one sign-in. Google is given the SHA-256 of it as `nonce`, in
hexadecimal. So somebody who intercepts an ID token cannot use it."""


class GoogleStart(Model):
    """Where a client sends its user for an ID token (`response_type=id_token`), and its client
    id."""

    client_id: str = Field(
        description="This server's id at Google.", examples=["1234.apps.googleusercontent.com"]
    )
    authorization_endpoint: str = Field(
        description="Where the browser is sent.",
        examples=["https://accounts.google.com/o/oauth2/v2/auth"],
    )


class GoogleCredentials(Input):
    """Signs in. Where the answer is `username_required`, send the same again with a username; where
    it is `second_factor_required`, with `second_factor` or `passkey`."""

    id_token: IdToken
    nonce: Nonce
    username: Username | None = Field(None, description="For a new account: its username.")
    display_name: Name | None = Field(
        None, description="For a new account: its name, if not the one at Google."
    )
    second_factor: SecondFactor = None
    passkey: PasskeyFactor = None
    device_name: DeviceName = None
    device_key: DeviceKey = None


class GoogleProof(PasswordProof):
    """Links a Google account to one's own."""

    id_token: IdToken
    nonce: Nonce


class GoogleLink(Model):
    """Whether a Google account is linked to one's account."""

    linked: bool = Field(description="Whether a Google account is linked.")
    linked_at: Utc | None = Field(None, description="Since when it is linked; null if none is.")
