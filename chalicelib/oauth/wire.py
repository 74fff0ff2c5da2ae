"""The parameters, forms and answers of OAuth 2.0 and OpenID Connect, for the OpenAPI document.
Authlib and our own code check them."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field, WithJsonSchema
from typing_extensions import TypedDict


def _text(description: str, *examples: str) -> Any:
    return Field(description=description, examples=list(examples) or None)


_UUID = {"type": "string", "format": "uuid"}
_URI = {"type": "string", "format": "uri"}
_BACK = "https://shop.example.org/back"
_TOKEN = "eyJhbGciOiJFUzI1NiIs…"  # noqa: S105

ClientId = Annotated[str, WithJsonSchema(_UUID), _text("The program's id.")]
RedirectUri = Annotated[
    str,
    WithJsonSchema(_URI),
    _text("Where the user is sent back to. It must be registered.", _BACK),
]
Scope = Annotated[str, _text("Names of scopes, with spaces between.", "openid profile chats.read")]
State = Annotated[str, _text("Any text. The answer contains it.", "af0ifjsldkj")]
Resource = Annotated[
    list[str],
    _text("The API that the tokens are for (RFC 8707): only the address of this API."),
]
IdTokenHint = Annotated[
    str, _text("An ID token that was issued to the program. It may have expired.", _TOKEN)
]
Locales = Annotated[str, _text("Ignored: the pages are in English.", "en")]
Secret = Annotated[
    str, _text("The secret of a confidential program that does not send it by HTTP Basic.")
]
AnyToken = Annotated[str, _text("An access token or a refresh token.", _TOKEN)]
Hint = Annotated[str, _text("Ignored: the form of a token shows its type.", "access_token")]


class AuthorizationRequest(TypedDict):
    """A program's request for a user's consent (RFC 6749, section 4.1.1; OpenID Connect Core,
    section 3.1.2.1)."""

    response_type: Annotated[Literal["code"], _text("Always `code`.")]
    client_id: ClientId
    redirect_uri: RedirectUri
    scope: Scope
    response_mode: NotRequired[
        Annotated[
            Literal["query", "form_post"],
            _text(
                "How the answer comes back: in the address, or in a form that the browser posts."
            ),
        ]
    ]
    state: NotRequired[State]
    nonce: NotRequired[
        Annotated[str, _text("The ID token contains it. At most 512 characters.", "n-0S6_WzA2Mj")]
    ]
    code_challenge: NotRequired[
        Annotated[
            str,
            _text(
                "PKCE (RFC 7636): the SHA-256 of the verifier, in base64url. Nearly every program "
                "must send it.",
                "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
            ),
        ]
    ]
    code_challenge_method: NotRequired[
        Annotated[Literal["S256"], _text("Always `S256`. Required with a challenge.")]
    ]
    resource: NotRequired[Resource]
    prompt: NotRequired[
        Annotated[
            str,
            _text(
                "`none`: show no page. `login` or `select_account`: have the user sign in again. "
                "`consent`: ask for all scopes again. Several with spaces between.",
                "login",
            ),
        ]
    ]
    max_age: NotRequired[
        Annotated[str, _text("The maximum age of the sign-in, in seconds.", "3600")]
    ]
    login_hint: NotRequired[
        Annotated[str, _text("The username or address that the program expects.", "ana")]
    ]
    id_token_hint: NotRequired[IdTokenHint]
    request: NotRequired[Annotated[str, _text("Not supported: a request with it is refused.")]]
    request_uri: NotRequired[Annotated[str, _text("Not supported: a request with it is refused.")]]
    claims: NotRequired[Annotated[str, _text("Ignored.")]]
    display: NotRequired[Annotated[str, _text("Ignored.", "page")]]
    ui_locales: NotRequired[Locales]
    acr_values: NotRequired[Annotated[str, _text("Ignored.")]]


class SignInForm(TypedDict, total=False):
    """What the sign-in page posts to itself: `seal`, `do` and what the user typed. A form without
    `seal` and `do` is a program's request, with the parameters of GET."""

    seal: Annotated[str, _text("Proves that the form was made for this browser.")]
    do: Annotated[str, _text("The button that was pressed.", "sign_in")]
    login: Annotated[str, _text("The username or address.", "ana")]
    password: Annotated[str, _text("The password.")]
    code: Annotated[str, _text("A code of the authenticator app, or a recovery code.", "492039")]
    passkey: Annotated[str, _text("The answer of a passkey, in JSON.")]
    kept: Annotated[str, _text("What the user typed on earlier pages, encrypted.")]
    username: Annotated[str, _text("The username of a new account.", "ana")]
    display_name: Annotated[str, _text("The name of a new account.", "Ana")]
    email: Annotated[
        str,
        _text(
            "The address of a new account, or for a link to a new password.",
            "ana@example.org",
        ),
    ]
    id_token: Annotated[str, _text("The ID token that Google issued.", _TOKEN)]
    state: State


class TokenRequest(TypedDict):
    """A request for tokens (RFC 6749, sections 4.1.3, 4.4.2 and 6)."""

    grant_type: Annotated[
        Literal["authorization_code", "refresh_token", "client_credentials"],
        _text("What is traded: a code, a refresh token, or the program's own credentials."),
    ]
    client_id: NotRequired[ClientId]
    client_secret: NotRequired[Secret]
    code: NotRequired[Annotated[str, _text("With `authorization_code`: the code.")]]
    redirect_uri: NotRequired[
        Annotated[
            str,
            WithJsonSchema(_URI),
            _text("With `authorization_code`: the same address as in the request.", _BACK),
        ]
    ]
    code_verifier: NotRequired[
        Annotated[
            str,
            _text(
                "With `authorization_code`: the text that the challenge was made from (RFC 7636)."
            ),
        ]
    ]
    refresh_token: NotRequired[Annotated[str, _text("With `refresh_token`: the newest one.")]]
    scope: NotRequired[
        Annotated[
            str,
            _text(
                "With `refresh_token` and `client_credentials`: fewer scopes than there could be.",
                "push.send",
            ),
        ]
    ]
    resource: NotRequired[Resource]


class GrantedTokens(TypedDict):
    """Tokens for a program (RFC 6749, section 5.1)."""

    access_token: Annotated[str, _text("Send it as `Authorization: Bearer …`.", _TOKEN)]
    token_type: Annotated[Literal["Bearer"], _text("How the access token is sent (RFC 6750).")]
    expires_in: Annotated[
        int, Field(description="How many seconds the access token is valid.", examples=[900])
    ]
    scope: Scope
    refresh_token: NotRequired[
        Annotated[
            str, _text("Trade it for the next tokens. Missing with `client_credentials`.", "bTsv…")
        ]
    ]
    id_token: NotRequired[
        Annotated[str, _text("Who has signed in, with the scope `openid`; a JWT.", _TOKEN)]
    ]


class TokenQuestion(TypedDict):
    """A token to check or to revoke, and the program that asks (RFC 7009, section 2.1; RFC 7662,
    section 2.1)."""

    token: AnyToken
    token_type_hint: NotRequired[Hint]
    client_id: NotRequired[ClientId]
    client_secret: NotRequired[Secret]


class RevocationAnswer(TypedDict):
    """An object without members: the token is not valid."""


class TokenState(TypedDict):
    """Whether a token is valid. If it is, the other members follow (RFC 7662, section 2.2)."""

    active: Annotated[bool, Field(description="Whether the token is valid.")]
    iss: NotRequired[Annotated[str, _text("Who issued it: the address of this API.", _BACK)]]
    client_id: NotRequired[
        Annotated[
            str | None,
            _text("The program that it was issued to; null for one of our own clients."),
        ]
    ]
    sub: NotRequired[
        Annotated[str, _text("The id of the user, or of the program in its own name.")]
    ]
    scope: NotRequired[Scope]
    exp: NotRequired[Annotated[int, Field(description="When it expires, in seconds since 1970.")]]
    iat: NotRequired[
        Annotated[int, Field(description="When it was issued, in seconds since 1970.")]
    ]
    aud: NotRequired[Annotated[str, _text("The API that it is for.")]]
    jti: NotRequired[Annotated[str, _text("The id of the access token.")]]
    token_type: NotRequired[Annotated[Literal["Bearer"], _text("Only for an access token.")]]


class UserInfo(TypedDict):
    """What the user allows the program to see of them (OpenID Connect Core, section 5.3)."""

    sub: Annotated[str, WithJsonSchema(_UUID), _text("The user's id, which never changes.")]
    name: NotRequired[Annotated[str, _text("With `profile`: the name to show.", "Ana")]]
    preferred_username: NotRequired[Annotated[str, _text("With `profile`: the username.", "ana")]]
    picture: NotRequired[
        Annotated[str, _text("With `profile`: the address of a picture, if there is one.", _BACK)]
    ]
    email: NotRequired[Annotated[str, _text("With `email`: the address.", "ana@example.org")]]
    email_verified: NotRequired[
        Annotated[bool, Field(description="With `email`: whether the user has verified it.")]
    ]


class UserInfoForm(TypedDict, total=False):
    """The access token, if it is not sent in the header (RFC 6750, section 2.2)."""

    access_token: Annotated[str, _text("An access token with the scope `openid`.", _TOKEN)]


class LogoutRequest(TypedDict, total=False):
    """A program's request to sign a user out (OpenID Connect RP-Initiated Logout)."""

    id_token_hint: IdTokenHint
    logout_hint: Annotated[str, _text("Ignored.")]
    client_id: ClientId
    post_logout_redirect_uri: Annotated[
        str,
        WithJsonSchema(_URI),
        _text("Where the user goes afterwards. It must be registered.", _BACK),
    ]
    state: State
    ui_locales: Locales


class LogoutForm(LogoutRequest, total=False):
    """The same parameters in a form; or `seal`, when the user agrees on the page."""

    seal: Annotated[str, _text("Proves that the form was made for this browser.")]
    do: Annotated[str, _text("The button that was pressed.", "sign_out")]


class OAuthError(TypedDict):
    """A request that the protocol refuses (RFC 6749, section 5.2)."""

    error: Annotated[
        Literal[
            "invalid_request",
            "invalid_client",
            "invalid_grant",
            "unauthorized_client",
            "unsupported_grant_type",
            "unsupported_token_type",
            "invalid_scope",
            "invalid_target",
            "invalid_token",
            "insufficient_scope",
            "server_error",
            "temporarily_unavailable",
        ],
        _text("What is wrong."),
    ]
    error_description: NotRequired[
        Annotated[str, _text("What is wrong, in a sentence.", "The code was used twice.")]
    ]
    error_uri: Annotated[
        str,
        WithJsonSchema(_URI),
        _text(
            "Where the error is explained: the address of an entry of `GET /v1/errors`.",
            "https://api.example.org/v1/errors#invalid_grant",
        ),
    ]
