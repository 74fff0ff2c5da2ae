"""What a program asks of the sign-in page (OpenID Connect Core, section 3.1.2.1)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from authlib.oauth2.rfc6749 import InvalidRequestError

from chalicelib.auth.fields import canonical_login
from chalicelib.errors import Unauthorized
from chalicelib.text.addresses import MAX_ADDRESS
from chalicelib.users.models import Profile

PROMPTS = frozenset({"none", "login", "consent", "select_account"})
NOBODY = "?"
"""Replaces a login_hint that no user can have as a login."""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """`silent`: show no page. `login`: the user must sign in again. `consent`: ask for all scopes
    again. `max_age`: how old a sign-in may be, in seconds. `login_hint`: the user that the program
    expects, by username or canonical address. `subject`: the id of the user in the program's ID
    token; a code must be about that user."""

    silent: bool = False
    login: bool = False
    consent: bool = False
    max_age: int | None = None
    login_hint: str = field(default="", repr=False)
    subject: str | None = None

    def accepts(self, user_id: str) -> bool:
        """Whether the program may get a code about this user."""
        return self.subject in (None, user_id)

    def expects(self, user: Profile) -> bool:
        """Whether the program expects this user, so that no other needs to sign in. Only a verified
        address counts: anybody can enter another person's address."""
        names = [user.username, *([user.email] if user.email_verified else [])]
        return self.accepts(user.id) and (not self.login_hint or self.login_hint in names)

    def fresh(self, seconds: float) -> bool:
        """Whether a sign-in of this age is new enough."""
        return not self.login and (self.max_age is None or seconds <= self.max_age)


def prompt_of(
    given: Mapping[str, str], client_id: str, hinted: Callable[[str], Mapping[str, str]]
) -> Prompt:
    """Reads the parameters of a request. Raises InvalidRequestError. `hinted` returns the claims of
    an ID token that we issued, even if it has expired. It raises Unauthorized for any other."""
    prompts = frozenset(given.get("prompt", "").split())
    if not prompts <= PROMPTS or ("none" in prompts and len(prompts) > 1):
        raise InvalidRequestError("This prompt is not supported.")
    max_age = given.get("max_age")
    if max_age is not None and not (max_age.isascii() and max_age.isdigit() and len(max_age) < 10):
        raise InvalidRequestError("max_age is in whole seconds.")
    seconds = None if max_age is None else int(max_age)
    return Prompt(
        silent="none" in prompts,
        # max_age=0 means the same as prompt=login.
        login=bool(prompts & {"login", "select_account"}) or seconds == 0,
        consent="consent" in prompts,
        max_age=seconds,
        login_hint=_login_hint(given.get("login_hint", "")),
        subject=_subject(given.get("id_token_hint"), client_id, hinted),
    )


def _login_hint(text: str) -> str:
    login = canonical_login(text)
    return login if login.isprintable() and len(login) <= MAX_ADDRESS else NOBODY


def _subject(
    hint: str | None, client_id: str, hinted: Callable[[str], Mapping[str, str]]
) -> str | None:
    if hint is None:
        return None
    try:
        claims = hinted(hint)
    except Unauthorized:
        raise InvalidRequestError("id_token_hint is not an ID token of this provider.") from None
    if claims["aud"] != client_id:
        raise InvalidRequestError("id_token_hint was issued to another program.")
    return claims["sub"]
