"""What signing in with Google takes and gives."""

from typing import Annotated

from pydantic import Field

from chalicelib.auth.models import Code, DeviceName, PasswordProof
from chalicelib.auth.passkey_models import PasskeyAnswer
from chalicelib.users.models import DeviceKey, Name, Username
from chalicelib.wire import Input, Model, Token, Utc

IdToken = Annotated[Token, Field(min_length=1, max_length=8192, repr=False)]
Nonce = Annotated[Token, Field(min_length=22, max_length=128, repr=False)]
"""Random, made by the client for one sign-in. Google is given the SHA-256 of it as `nonce`, in
hexadecimal. So somebody who intercepts an ID token cannot use it."""


class GoogleStart(Model):
    """Where a client sends its user for an ID token (`response_type=id_token`), and as whom."""

    client_id: str
    authorization_endpoint: str


class GoogleCredentials(Input):
    """Signs in. `username` and `display_name` are for a new account: where the answer is
    `username_required`, send the same again with a username; where it is `second_factor_required`,
    with a code as `second_factor` or a passkey's answer as `passkey`."""

    id_token: IdToken
    nonce: Nonce
    username: Username | None = None
    display_name: Name | None = None
    second_factor: Annotated[Code | None, Field(repr=False)] = None
    passkey: PasskeyAnswer | None = None
    device_name: DeviceName = None
    device_key: DeviceKey = None


class GoogleProof(PasswordProof):
    """Links a Google account to one's own."""

    id_token: IdToken
    nonce: Nonce


class GoogleLink(Model):
    """Whether a Google account is linked to one's account."""

    linked: bool
    linked_at: Utc | None = None
