"""What clients send and see of a second factor."""

from typing import Annotated

from pydantic import Field

from chalicelib.auth.fields import Code
from chalicelib.wire import Input, Model


class SecondFactorCode(Input):
    """A code of the authenticator app that is being set up."""

    code: Annotated[Code, Field(repr=False, description="The code that the app shows now.")]


class SecondFactorState(Model):
    """Whether signing in asks for a second factor."""

    enabled: bool = Field(description="Whether signing in asks for one.")
    recovery_codes_left: int = Field(description="How many codes are not used yet.", examples=[10])


class SecondFactorSetup(Model):
    """What to give an authenticator app: the URI, as a link or QR code, or the secret by hand."""

    secret: str = Field(
        repr=False,
        description="To type into the app, in base32.",
        examples=["JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"],
    )
    uri: str = Field(
        repr=False,
        description="The same as a link or QR code.",
        examples=["otpauth://totp/Parley:ana?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"],
    )


class RecoveryCodeList(Model):
    """Each signs in once, in place of the authenticator app. Only this answer shows them."""

    recovery_codes: list[str] = Field(
        repr=False,
        description="Each may be used once, with or without its dashes.",
        examples=[["k3tq-7wzn-p2xa-m5hd"]],
    )
