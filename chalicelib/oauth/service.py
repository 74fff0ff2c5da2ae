"""What programs ask for themselves: tokens, what became of them, and to be rid of them."""

import base64
import binascii
import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from chalicelib.auth.models import Client, Identity, Terms
from chalicelib.config import Settings
from chalicelib.errors import RateLimited, Unauthorized, Unavailable
from chalicelib.ids import new_id
from chalicelib.oauth.models import (
    INTROSPECT,
    SERVICE_SCOPES,
    USER_SCOPES,
    NewClient,
    OAuthClient,
    OAuthError,
    digest,
    is_client_id,
    proves,
)
from chalicelib.wire import now

if TYPE_CHECKING:
    from chalicelib.auth.service import Auth
    from chalicelib.auth.throttle import Throttle
    from chalicelib.auth.tokens import AccessTokens
    from chalicelib.oauth.store import ClientStore, Codes
    from chalicelib.users.service import Users

Form = Mapping[str, str]


class OAuth:
    """Methods that take a form raise OAuthError, RateLimited and Unavailable."""

    def __init__(
        self,
        settings: Settings,
        *,
        clients: "ClientStore",
        codes: "Codes",
        auth: "Auth",
        tokens: "AccessTokens",
        throttle: "Throttle",
        users: "Callable[[], Users]",
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._settings = settings
        self._clients = clients
        self._codes = codes
        self._auth = auth
        self._tokens = tokens
        self._throttle = throttle
        self._users = users
        self._clock = clock

    def register(self, new: NewClient) -> dict[str, str]:
        """Register a program. Its secret, if it gets one, is answered here and never again."""
        secret = secrets.token_urlsafe(32) if new.confidential else None
        client = OAuthClient(
            id=new_id(),
            name=new.name,
            secret_digest=digest(secret) if secret else None,
            redirect_uris=new.redirect_uris,
            scopes=new.scopes,
        )
        self._clients.add(client, self._clock())
        return {"client_id": client.id, **({"client_secret": secret} if secret else {})}

    def token(self, form: Form, authorization: str, caller: Client) -> dict[str, Any]:
        """What the token endpoint answers (RFC 6749, section 5.1)."""
        grants = {
            "authorization_code": self._trade_code,
            "refresh_token": self._refresh,
            "client_credentials": self._client_credentials,
        }
        client = self._authenticated(form, authorization, caller)
        grant = grants.get(_required(form, "grant_type"))
        if grant is None:
            raise OAuthError("unsupported_grant_type", f"Use one of: {', '.join(grants)}.")
        answer: dict[str, Any] = self._counted(caller, lambda: grant(client, form, caller))
        return answer

    def revoke(self, form: Form, authorization: str, caller: Client) -> None:
        """End what a token belongs to (RFC 7009): with either of its tokens, a whole grant.
        Tokens of others, and what is no token, are left alone without a word."""
        client = self._authenticated(form, authorization, caller)
        text = _required(form, "token")
        if (session := self._auth.session_of(text)) is not None:
            if session.client_id == client.id:
                self._auth.end(session.user_id, session.id)
            return
        claims = self._claims(text)
        if claims is None or claims.get("client_id") != client.id:
            return
        if "sid" in claims:
            self._auth.end(claims["sub"], claims["sid"])
        else:
            self._codes.void(claims["jti"], claims["exp"] - int(time.time()))

    def introspect(self, form: Form, authorization: str, caller: Client) -> dict[str, Any]:
        """What there is to say of a token (RFC 7662), to confidential clients: of their own, and
        to those with INTROSPECT of all."""
        client = self._authenticated(form, authorization, caller)
        if not client.confidential:
            raise OAuthError(
                "invalid_client", "A public client cannot look into tokens.", status=401
            )
        told = self._told(_required(form, "token"))
        if told is None or (INTROSPECT not in client.scopes and told["client_id"] != client.id):
            return {"active": False}
        return {"active": True, "iss": self._settings.issuer, **told}

    def userinfo(self, authorization: str) -> dict[str, Any]:
        """What OpenID Connect calls claims, of the user whose token it is.

        Raises Unauthorized, and OAuthError where the user did not agree to be known.
        """
        identity = self._auth.authenticate(authorization)
        if "openid" not in identity.scopes:
            raise OAuthError("insufficient_scope", "This needs the scope openid.", status=403)
        user = self._users().me(identity.user_id)
        claims: dict[str, Any] = {"sub": user.id}
        if "profile" in identity.scopes:
            claims |= {"name": user.display_name, "preferred_username": user.username}
            claims |= {"picture": user.avatar_url} if user.avatar_url else {}
        if "email" in identity.scopes:
            claims |= {"email": user.email, "email_verified": False}
        return claims

    def client(self, client_id: str, caller: Client) -> OAuthClient | None:
        """A program by its id; who asks for ones that are not there is slowed down."""
        if not is_client_id(client_id):
            return None
        self._throttle.refresh_from(caller.address)
        try:
            client = self._clients.get(client_id)
        except Unavailable:
            self._throttle.refreshed_from(caller.address)
            raise
        if client is not None:
            self._throttle.refreshed_from(caller.address)
        return client

    def _authenticated(self, form: Form, authorization: str, caller: Client) -> OAuthClient:
        """The program that asks. Its secret comes in the header or in the form; a public one
        only names itself."""
        client_id, secret = form.get("client_id"), form.get("client_secret")
        if authorization:
            if secret is not None:
                raise OAuthError("invalid_request", "Authenticate in one way, not in two.")
            named, secret = _basic(authorization)
            if client_id not in (None, named):
                raise OAuthError("invalid_request", "The request names two clients.")
            client_id = named
        if client_id is None:
            raise OAuthError("invalid_client", "The request names no client.", status=401)
        client = self.client(client_id, caller)
        if client is None:
            raise _wrong_client()
        if client.confidential or secret is not None:

            def check() -> None:
                if not client.confidential or not client.knows(secret or ""):
                    raise _wrong_client()

            self._counted(caller, check)
        return client

    def _counted(self, caller: Client, do: Callable[[], Any]) -> Any:
        """Do what may be a guess. One that was is not taken back, unless nobody could tell."""
        self._throttle.refresh_from(caller.address)
        try:
            answer = do()
        except (RateLimited, Unavailable):
            self._throttle.refreshed_from(caller.address)
            raise
        self._throttle.refreshed_from(caller.address)
        return answer

    def _trade_code(self, client: OAuthClient, form: Form, caller: Client) -> dict[str, Any]:
        text, redirect_uri = _required(form, "code"), _required(form, "redirect_uri")
        verifier = _required(form, "code_verifier")
        redeemed = self._codes.redeem(text)
        if redeemed is None:
            raise _no_grant()
        code, again = redeemed
        if again:  # two have it: what the first got for it is not to be trusted either
            self._auth.end(code.user_id, code.session_id)
            raise _no_grant()
        if (code.client_id, code.redirect_uri) != (client.id, redirect_uri):
            raise _no_grant()
        if not proves(verifier, code.challenge):
            raise _no_grant()
        opener = Identity(user_id=code.user_id, session_id=code.opener_id)
        terms = Terms(session_id=code.session_id, client_id=client.id, scope=code.scope)
        try:
            tokens = self._auth.open_for(opener, caller, client.name, terms)
        except Unauthorized:
            raise _no_grant() from None
        if self._codes.came_again(text):  # before there was a session to end
            self._auth.end(code.user_id, code.session_id)
            raise _no_grant()
        answer = self._answer(tokens.access_token, tokens.refresh_token)
        if "openid" in code.scope.split():
            claims = {
                "sub": code.user_id,
                "aud": client.id,
                "auth_time": code.auth_time,
                "at_hash": _half_hash(tokens.access_token),
                **({"nonce": code.nonce} if code.nonce else {}),
            }
            answer["id_token"] = self._tokens.sign(claims, kind="JWT")
        return answer

    def _refresh(self, client: OAuthClient, form: Form, caller: Client) -> dict[str, Any]:
        text = _required(form, "refresh_token")
        wanted = set(form.get("scope", "").split())
        if wanted:
            session = self._auth.session_of(text)
            if session is None or session.client_id != client.id:
                raise _no_grant()
            if not wanted <= set((session.scope or "").split()):
                raise OAuthError("invalid_scope", "The user did not agree to that.")
        try:
            tokens = self._auth.refresh(text, caller, client_id=client.id)
        except Unauthorized:
            raise _no_grant() from None
        return self._answer(tokens.access_token, tokens.refresh_token)

    def _client_credentials(
        self, client: OAuthClient, form: Form, caller: Client
    ) -> dict[str, Any]:
        allowed = SERVICE_SCOPES.intersection(client.scopes)
        if not client.confidential or not allowed:
            raise OAuthError("unauthorized_client", "This client may do nothing in its own name.")
        wanted = set(form.get("scope", "").split()) or allowed
        if not wanted <= allowed:
            raise OAuthError("invalid_scope", "This client is not registered for that.")
        scope = " ".join(sorted(wanted))
        return self._answer(self._tokens.issue_to(client.id, sub=client.id, scope=scope))

    def _answer(self, access_token: str, refresh_token: str | None = None) -> dict[str, Any]:
        return {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": self._settings.access_token_seconds,
            "scope": self._tokens.claims(access_token)["scope"],
            **({"refresh_token": refresh_token} if refresh_token else {}),
        }

    def _told(self, text: str) -> dict[str, Any] | None:
        """Everything about a token that is good now, but for our own name."""
        if (session := self._auth.session_of(text)) is not None:
            return {
                "client_id": session.client_id,
                "sub": session.user_id,
                "scope": session.scope or "",
                "exp": int(session.expires_at.timestamp()),
            }
        claims = self._claims(text)
        if claims is None:
            return None
        if "sid" in claims:
            identity = Identity(user_id=claims["sub"], session_id=claims["sid"])
            stands = self._auth.still_valid(identity)
        else:
            stands = not self._codes.is_void(claims["jti"])
        if not stands:
            return None
        names = ("sub", "aud", "scope", "exp", "iat", "jti")
        return {
            "token_type": "Bearer",
            "client_id": claims.get("client_id"),
            **{name: claims[name] for name in names},
        }

    def _claims(self, text: str) -> dict[str, Any] | None:
        try:
            return self._tokens.claims(text)
        except Unauthorized:
            return None


def metadata(issuer: str) -> dict[str, Any]:
    """What clients find out by themselves (RFC 8414, OpenID Connect Discovery)."""
    authentication = ["client_secret_basic", "client_secret_post"]
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oauth2/authorize",
        "token_endpoint": f"{issuer}/oauth2/token",
        "revocation_endpoint": f"{issuer}/oauth2/revoke",
        "introspection_endpoint": f"{issuer}/oauth2/introspect",
        "userinfo_endpoint": f"{issuer}/oauth2/userinfo",
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "scopes_supported": [*USER_SCOPES, *sorted(SERVICE_SCOPES)],
        "claims_supported": [
            *("iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash"),
            *("name", "preferred_username", "picture", "email", "email_verified"),
        ],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "code_challenge_methods_supported": ["S256"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "token_endpoint_auth_methods_supported": [*authentication, "none"],
        "revocation_endpoint_auth_methods_supported": [*authentication, "none"],
        "introspection_endpoint_auth_methods_supported": authentication,
        "authorization_response_iss_parameter_supported": True,
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }


def _required(form: Form, name: str) -> str:
    if name not in form:
        raise OAuthError("invalid_request", f"Send {name}.")
    return form[name]


def _basic(authorization: str) -> tuple[str, str]:
    scheme, _, encoded = authorization.partition(" ")
    try:
        if scheme.lower() != "basic":
            raise ValueError
        decoded = base64.b64decode(encoded.strip(), validate=True).decode()
    except (ValueError, binascii.Error):
        raise _wrong_client() from None
    client_id, _, secret = decoded.partition(":")
    return unquote_plus(client_id), unquote_plus(secret)


def _half_hash(token: str) -> str:
    half = hashlib.sha256(token.encode()).digest()[:16]
    return base64.urlsafe_b64encode(half).rstrip(b"=").decode()


def _wrong_client() -> OAuthError:
    return OAuthError("invalid_client", "There is no such client, or not so.", status=401)


def _no_grant() -> OAuthError:
    return OAuthError("invalid_grant", "This is not good any more, or not for this client.")
