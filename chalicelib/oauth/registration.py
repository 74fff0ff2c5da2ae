"""How programs of others are registered, and how admins see them."""

import re
from typing import TYPE_CHECKING, Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from chalicelib.scopes import OFFLINE
from chalicelib.text.sentences import wrong
from chalicelib.users.models import Name
from chalicelib.wire import CURSOR, Id, Input, Model, OurId, Page, PageSize, Utc

if TYPE_CHECKING:
    from chalicelib.oauth.models import OAuthClient

USER_SCOPES = {
    "openid": "know who you are here",
    "profile": "see your name, username and picture",
    "email": "see your e-mail address",
    OFFLINE: "stay connected until you end it",
    "users.read": "look up other people",
    "chats.read": "read your chats",
    "chats.write": "send messages as you",
}
"""What a user can let a program do, in the words that they are asked with. Never `account`: a
program must not change a password or sign out others. OFFLINE opens nothing by itself: every
program can refresh its tokens."""

INTROSPECT = "tokens.introspect"
"""Lets a confidential client look into tokens that are not its own, as an API's server has to."""

SERVICE_SCOPES = frozenset({INTROSPECT, "push.send", "users.validate"})
"""What a confidential client may be registered to do in its own name."""

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_PRIVATE_SCHEME = re.compile(r"[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+")
# What RFC 3986 lets a URI hold, without quotes, "*", ";", "," and more: those mean something in
# the header fields and in the page that it comes to stand in, or to who adds parameters to it.
_URI = re.compile(r"(?:[A-Za-z0-9\-._~:/?\[\]@!&()+=]|%[0-9A-Fa-f]{2}){1,512}")
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?|[0-9a-f.]*:[0-9a-f:.]*")


def _redirect_uri(value: str) -> str:
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise wrong("not_a_redirect_uri", "This is not an address.") from None
    if not _URI.fullmatch(value) or "@" in parts.netloc or {"[", "]"} & set(parts.query):
        raise wrong(
            "not_a_redirect_uri",
            "An address to send users to cannot have a user name, or some of these characters.",
        )
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        if not _HOST.fullmatch(parts.hostname or ""):
            raise wrong("not_a_redirect_uri", "This address names no host.")
    elif not _PRIVATE_SCHEME.fullmatch(parts.scheme):
        raise wrong(
            "not_a_redirect_uri",
            "Begin it with https://, with http:// and a loopback address, or with com.example: .",
        )
    return value


def _scope(value: str) -> str:
    if value not in USER_SCOPES and value not in SERVICE_SCOPES:
        raise wrong("not_a_scope", "A program cannot have this scope.")
    return value


RedirectUri = Annotated[
    str, Field(examples=["https://shop.example.org/back"]), AfterValidator(_redirect_uri)
]
RedirectUris = Annotated[
    list[RedirectUri],
    Field(
        max_length=20,
        description="Where users may be sent back to, compared to the letter. An address with "
        "http and 127.0.0.1, [::1] or localhost that has no port stands for all ports of this "
        "very host, as programs on a desk need it (RFC 8252, section 7.3).",
    ),
]
LogoutUris = Annotated[
    RedirectUris,
    Field(description="Where users may be sent after signing out, compared alike."),
]
Scopes = Annotated[
    list[Annotated[str, Field(examples=["openid"]), AfterValidator(_scope)]],
    Field(
        min_length=1,
        max_length=20,
        description="What it may ask users for, and do in its own name: "
        + ", ".join(f"`{one}`" for one in (*USER_SCOPES, *sorted(SERVICE_SCOPES)))
        + ".",
    ),
]
ProgramName = Annotated[
    Name, Field(description="What people see when it asks them.", examples=["Shoe shop"])
]
PKCE = (
    "Whether it must use PKCE. Without, a confidential program that asks for `openid` may send a "
    "nonce in place of a challenge, and must check it (RFC 9700, section 2.1.1)."
)
CLAIMS = "Whether ID tokens also say what `profile` and `email` let userinfo say."
CONFIDENTIAL = "Whether it can keep a secret, as servers can. Only then can it act in its own name."


def check_fits(client: "NewClient | OAuthClient") -> None:
    """Raises PydanticCustomError unless the parts of a registration go together."""
    asks_users = not (USER_SCOPES.keys() - {OFFLINE}).isdisjoint(client.scopes)
    if asks_users != bool(client.redirect_uris):
        raise wrong(
            "does_not_fit",
            "Give `redirect_uris` if, and only if, the program asks for scopes of users.",
        )
    if not client.confidential and not SERVICE_SCOPES.isdisjoint(client.scopes):
        raise wrong("does_not_fit", "Only a confidential program can have scopes in its own name.")
    if not client.require_pkce and not client.confidential:
        raise wrong("does_not_fit", "A public program must use PKCE. Leave `require_pkce` out.")
    if not client.require_pkce and "openid" not in client.scopes:
        raise wrong("does_not_fit", "A program without PKCE needs the scope openid.")


class NewClient(Input):
    """Registers a program."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Shoe shop",
                    "redirect_uris": ["https://shop.example.org/back"],
                    "scopes": ["openid", "profile"],
                    "confidential": True,
                }
            ]
        }
    )

    name: ProgramName
    redirect_uris: RedirectUris = Field(default_factory=list)
    post_logout_redirect_uris: LogoutUris = Field(default_factory=list)
    scopes: Scopes
    confidential: bool = Field(description=CONFIDENTIAL, examples=[True])
    require_pkce: bool = Field(True, description=PKCE)
    claims_in_id_token: bool = Field(False, description=CLAIMS)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        check_fits(self)
        return self


class ClientChanges(Input):
    """What to change of a program; what is left out stays. Whether it has a secret cannot change:
    register another one for that."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Shoe shop"}]})

    # The defaults are never read (only what was sent is), and keep null from being allowed.
    name: ProgramName = Field(default_factory=str)
    redirect_uris: RedirectUris = Field(default_factory=list)
    post_logout_redirect_uris: LogoutUris = Field(default_factory=list)
    scopes: Scopes = Field(default_factory=list)
    require_pkce: bool = Field(default_factory=bool, description=PKCE)
    claims_in_id_token: bool = Field(default_factory=bool, description=CLAIMS)


class ClientInfo(Model):
    """A registered program, as admins see it."""

    client_id: OurId = Field(description="The program's id.")
    name: str = Field(description="What people see when it asks them.", examples=["Shoe shop"])
    redirect_uris: list[str] = Field(
        description="Where users may be sent back to.",
        examples=[["https://shop.example.org/back"]],
    )
    post_logout_redirect_uris: list[str] = Field(
        description="Where users may be sent after signing out.",
        examples=[["https://shop.example.org/bye"]],
    )
    scopes: list[str] = Field(
        description="What it may ask users for, and do in its own name.",
        examples=[["openid", "profile"]],
    )
    confidential: bool = Field(description=CONFIDENTIAL)
    require_pkce: bool = Field(description=PKCE)
    claims_in_id_token: bool = Field(description=CLAIMS)
    created_at: Utc = Field(description="When it was registered.")
    last_used_at: Utc | None = Field(
        None,
        description="When it last asked for a token or about one, to the hour; null if never.",
    )
    former_secret_until: Utc | None = Field(
        None,
        description="Until when a secret that was replaced is good; null if there is none.",
        examples=[None],
    )
    former_secret_used_at: Utc | None = Field(
        None,
        description="When the replaced secret was last used, to the hour; null if never.",
        examples=[None],
    )


class RegisteredClient(ClientInfo):
    """A program with its new secret."""

    client_secret: str | None = Field(
        repr=False,
        description="Only this answer shows it; null for a public program.",
        examples=["Zr8uXk2m…"],
    )


class ClientQuery(Input):
    """Query of the list of programs."""

    limit: PageSize = 50
    cursor: Annotated[Id | None, CURSOR] = None


class ClientPage(Page[ClientInfo, OurId]):
    """Programs, newest first."""

    items: list[ClientInfo] = Field(description="The programs of this page.")
