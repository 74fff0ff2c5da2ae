"""What clients send to verify an address, to change it, and to set a new password."""

from typing import Annotated

from pydantic import Field

from chalicelib.auth.fields import Email, NewPassword
from chalicelib.auth.models import PasswordProof
from chalicelib.live.events import declare
from chalicelib.users.models import Address, Username
from chalicelib.wire import PRINTABLE, Input, Model

MailToken = Annotated[
    str,
    Field(
        min_length=1,
        max_length=128,
        repr=False,
        description="The text after the = of the mailed link.",
        examples=["Jx4Yw0aX3bqQf2mVbq7Z1w"],
    ),
    PRINTABLE,
]
"""The text after the = of a mailed link."""


class EmailProof(Input):
    """Proves that one's address is one's own."""

    token: MailToken


class ResetRequest(Input):
    """Asks for a link to set a new password with. `username` picks one of several accounts that
    claim this address, while nobody has verified it."""

    email: Email
    username: Username | None = Field(
        None, description="Which account, where several claim this address."
    )


class PasswordReset(Input):
    """Sets a new password with a mailed link, which ends all sessions."""

    token: MailToken
    new_password: NewPassword


class EmailChange(PasswordProof):
    """Asks for another e-mail address. It takes the place of yours when you follow the link that is
    mailed to it. Asking for the address that you have ends a change that waits."""

    email: Annotated[Email, Field(description="The address that you want.")]


class EmailChanged(Model):
    """Your account has another e-mail address now, which is verified."""

    email: Address = Field(description="The new address.")


EMAIL_CHANGED = declare(
    "account.email_changed", EmailChanged, scope="account", first_party=True, tag="Account"
)
