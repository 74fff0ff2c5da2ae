"""What a sign-in page asks, and which ways to sign in it offers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Given = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Form:
    """What the page asks next. `wrong`: what was sent counts as a guess. `typed`: what to fill in
    again. `problems`: what is wrong, by field. `kept`: what the user gave in earlier steps,
    encrypted. `passkey`: what to ask a passkey, in JSON."""

    step: str = "sign_in"
    problem: str | None = None
    wrong: bool = False
    typed: Given = field(default_factory=dict, repr=False)
    problems: Given = field(default_factory=dict)
    kept: str = field(default="", repr=False)
    passkey: str | None = None


@dataclass(frozen=True, kw_only=True)
class Offers:
    """The ways to sign in besides passwords. `passkeys`: the origins where passkeys work. `google`:
    the origin that Google sends users back to. `google_url`: the address at Google that users are
    sent to. Both are None without Google."""

    passkeys: tuple[str, ...] = ()
    google: str | None = None
    google_url: str | None = None
