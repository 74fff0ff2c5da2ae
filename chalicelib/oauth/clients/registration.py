"""How programs are registered, and how admins see them."""

from typing import Annotated, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from chalicelib.oauth.clients.models import OAuthClient
from chalicelib.oauth.clients.redirect_uris import checked
from chalicelib.oauth.scopes import SERVICE_SCOPES, USER_SCOPES
from chalicelib.scopes import OFFLINE
from chalicelib.text.sentences import wrong
from chalicelib.users.models import Name
from chalicelib.wire import CURSOR, Id, Input, Model, OurId, Page, PageSize, Utc


def _scope(value: str) -> str:
    if value not in USER_SCOPES and value not in SERVICE_SCOPES:
        raise wrong("not_a_scope", "A program cannot have this scope.")
    return value


RedirectUri = Annotated[
    str, Field(examples=["https://shop.example.org/back"]), AfterValidator(checked)
]
RedirectUris = Annotated[
    list[RedirectUri],
    Field(
        max_length=20,
        description="Where users may be sent back to. The address in a request must be equal to "
        "one of these. An http address with 127.0.0.1, [::1] or localhost and without a port "
        "stands for all ports of that host, because programs on a desktop need it (RFC 8252, "
        "section 7.3).",
    ),
]
LogoutUris = Annotated[
    RedirectUris,
    Field(description="Where users may be sent after signing out, compared in the same way."),
]
Scopes = Annotated[
    list[Annotated[str, Field(examples=["openid"]), AfterValidator(_scope)]],
    Field(
        min_length=1,
        max_length=20,
        description="What it may ask users for, or do in its own name: "
        + ", ".join(f"`{one}`" for one in (*USER_SCOPES, *sorted(SERVICE_SCOPES)))
        + ".",
    ),
]
ProgramName = Annotated[
    Name, Field(description="What people see when it asks them.", examples=["Shoe shop"])
]
PKCE = (
    "Whether it must use PKCE. If not, a confidential program that asks for `openid` may send a "
    "nonce instead of a challenge, and must check it (RFC 9700, section 2.1.1)."
)
CLAIMS = "Whether ID tokens also contain the claims of `profile` and `email`, as userinfo does."
CONFIDENTIAL = "Whether it can keep a secret, as servers can. Only then can it act in its own name."


def check_fits(client: "NewClient | OAuthClient") -> None:
    """Raises PydanticCustomError if the parts of a registration do not fit together."""
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
    """What to change of a program. Fields that are left out stay. Whether it has a secret cannot
    change: register another program for that."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Shoe shop"}]})

    # The defaults are never read: only what was sent is. As none of them is None, null is refused.
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
        description="What it may ask users for, or do in its own name.",
        examples=[["openid", "profile"]],
    )
    confidential: bool = Field(description=CONFIDENTIAL)
    require_pkce: bool = Field(description=PKCE)
    claims_in_id_token: bool = Field(description=CLAIMS)
    created_at: Utc = Field(description="When it was registered.")
    last_used_at: Utc | None = Field(
        None,
        description="When it last asked for a token or checked one, to the hour; null if never.",
    )
    former_secret_until: Utc | None = Field(
        None,
        description="Until when the former secret is valid; null if there is none.",
        examples=[None],
    )
    former_secret_used_at: Utc | None = Field(
        None,
        description="When the former secret was last used, to the hour; null if never.",
        examples=[None],
    )

    @classmethod
    def of(cls, client: OAuthClient, **more: str | None) -> Self:
        """A client as admins see it. `more`: the secret of a RegisteredClient."""
        return cls(
            client_id=client.id,
            name=client.name,
            redirect_uris=client.redirect_uris,
            post_logout_redirect_uris=client.post_logout_redirect_uris,
            scopes=client.scopes,
            confidential=client.confidential,
            require_pkce=client.require_pkce,
            claims_in_id_token=client.claims_in_id_token,
            created_at=client.created_at,
            last_used_at=client.last_used_at,
            former_secret_until=client.former_until,
            former_secret_used_at=client.former_used_at,
            **more,
        )


class RegisteredClient(ClientInfo):
    """A program with its new secret."""

    client_secret: str | None = Field(
        repr=False,
        description="Only this answer contains it; null for a public program.",
        examples=["Zr8uXk2m…"],
    )


class ClientQuery(Input):
    """Query of the list of programs."""

    limit: PageSize = 50
    cursor: Annotated[Id | None, CURSOR] = None


class ClientPage(Page[ClientInfo, OurId]):
    """Programs, newest first."""

    items: list[ClientInfo] = Field(description="The programs of this page.")
