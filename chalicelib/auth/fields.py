"""How logins, addresses, passwords and codes are normalized."""

import unicodedata
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from chalicelib.auth.passkey_answers import PasskeyAnswer
from chalicelib.text.addresses import MAX_ADDRESS, canonical
from chalicelib.text.sentences import said, wrong
from chalicelib.users.models import Name
from chalicelib.wire import PRINTABLE, STRIPPED


def canonical_login(typed: str) -> str:
    """A username or an address in the one form in which it is stored. Any other text stays as it
    is, and matches no account."""
    text = typed.strip()
    if "@" not in text:  # U+212A has a lower case in ASCII
        return text.lower() if text.isascii() else text
    try:
        return canonical(text)
    except ValueError:
        return text


def _login(value: Any) -> Any:
    return canonical_login(value) if isinstance(value, str) else value


Login = Annotated[
    str,
    Field(
        min_length=1,
        max_length=254,
        repr=False,
        description="The username or the verified e-mail address, in any case.",
        examples=["ana"],
    ),
    BeforeValidator(_login),
    PRINTABLE,
]


def _opaque(value: Any) -> Any:
    # The same letters must make the same password on every keyboard.
    if not isinstance(value, str):
        return value
    spaced = "".join(" " if unicodedata.category(char) == "Zs" else char for char in value)
    return unicodedata.normalize("NFC", spaced)


def _password(value: str) -> str:
    if any(unicodedata.category(char) == "Cc" for char in value):
        raise wrong(
            "control_characters",
            "A password cannot have line breaks, tabs or other control characters.",
        )
    if len(value.encode()) > 1024:
        raise wrong("too_many_bytes", "Use a shorter password: at most 1,024 bytes.", max=1024)
    return value


Email = Annotated[
    str,
    Field(
        max_length=MAX_ADDRESS,
        repr=False,
        description="An e-mail address. Upper and lower case are the same.",
        examples=["ana@example.org"],
    ),
    STRIPPED,
    AfterValidator(canonical),
]
"""A canonical address. Addresses that differ only in case are the same mailbox nearly
everywhere."""

Password = Annotated[
    str,
    Field(
        min_length=1,
        max_length=1024,
        repr=False,
        description="The account's password.",
        examples=["correct horse battery staple"],
    ),
    BeforeValidator(_opaque),
    AfterValidator(_password),
]
"""A password to check, as RFC 8265 prepares it (OpaqueString, section 4.2): each kind of space is
U+0020, the rest is in NFC, and control characters are refused. `Passwords` has the further rules
for a new one."""

NewPassword = Annotated[
    str,
    Field(
        min_length=10,
        max_length=1024,
        repr=False,
        description="A new password. One that is easy to guess or known from leaks is refused.",
        examples=["correct horse battery staple"],
    ),
    BeforeValidator(_opaque),
    AfterValidator(_password),
]

DeviceName = Annotated[
    Name | None, Field(description="What the list of sessions calls this device.")
]


def _code(value: Any) -> Any:
    if not isinstance(value, str) or len(value) > MAX_TYPED:
        return value
    return "".join(
        str(unicodedata.decimal(char)) if char.isdecimal() else char.lower()
        for char in unicodedata.normalize("NFKC", value)
        if char.isdecimal() or char.isalpha()
    )


MAX_TYPED = 64
"""The longest text that is read as a code: people put spaces and dashes between its characters."""

Code = Annotated[
    str,
    Field(
        pattern=r"^([0-9]{6}|[a-z2-7]{16})$",
        description="A code of the authenticator app, or a recovery code.",
        examples=["492039"],
    ),
    BeforeValidator(_code),
    said(
        "not_a_code", "A code of the app has 6 digits. A recovery code has 16 letters and digits."
    ),
]
"""Six digits of an authenticator app, or a recovery code. Digits of any script count as 0-9;
all other characters are dropped."""

SecondFactor = Annotated[
    Code | None,
    Field(
        repr=False,
        description="A code of the authenticator app or a recovery code, if the account has a "
        "second factor.",
    ),
]
PasskeyFactor = Annotated[
    PasskeyAnswer | None,
    Field(
        description="In place of a code: what a passkey makes of the `passkey` of the answer "
        "`second_factor_required`."
    ),
]
