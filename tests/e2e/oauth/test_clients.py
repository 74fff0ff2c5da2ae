"""Client libraries in all flows: Authlib for Python, openid-client for Node."""

import json
import subprocess
import time
import warnings
from typing import Any

import httpx
import pytest
from authlib.deprecate import AuthlibDeprecationWarning
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import OpenIDProviderMetadata, get_well_known_url
from joserfc import jwt
from joserfc.jwk import KeySet

from local.node import NODE
from tests.client import User
from tests.cloud import ROOT, Cloud
from tests.e2e.oauth.oauth import GOODBYE, SCOPES, Browser, Program, registered

with warnings.catch_warnings():
    warnings.simplefilter("ignore", AuthlibDeprecationWarning)
    from authlib.integrations.requests_client import OAuth2Session

SECONDS = 60
BACK = "https://program.example/back"  # openid-client expects no query in it
INSTALLED = ROOT / ".local/npm/clients"


@pytest.fixture(params=["confidential", "public"])
def program(request: pytest.FixtureRequest, cloud: Cloud) -> Program:
    """A public and a confidential client. The confidential one may introspect tokens."""
    if request.param == "public":
        return registered(cloud, redirect_uris=[BACK], confidential=False)
    return registered(cloud, redirect_uris=[BACK], scopes=[*SCOPES, "tokens.introspect"])


@pytest.fixture
def metadata(cloud: Cloud) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(get_well_known_url(cloud.http_url, external=True)).json()
    return found


def test_the_metadata_is_valid(cloud: Cloud, metadata: dict[str, Any]) -> None:
    OpenIDProviderMetadata(metadata).validate()

    assert metadata["issuer"] == cloud.http_url
    oauth = httpx.get(f"{cloud.http_url}/.well-known/oauth-authorization-server").json()
    assert oauth == metadata


class TestAuthlib:
    def session(self, program: Program, metadata: dict[str, Any]) -> Any:
        return OAuth2Session(
            program.id,
            program.secret,
            scope="openid profile chats.read",
            redirect_uri=BACK,
            code_challenge_method="S256",
            token_endpoint=metadata["token_endpoint"],
            token_endpoint_auth_method="client_secret_basic" if program.secret else "none",
            revocation_endpoint_auth_method="client_secret_basic" if program.secret else "none",
        )

    def signed_in(
        self, session: Any, metadata: dict[str, Any], browser: Browser, user: User
    ) -> dict[str, Any]:
        """Tokens, and the claims of the ID token, checked."""
        verifier = "v" * 50
        url, state = session.create_authorization_url(
            metadata["authorization_endpoint"], code_verifier=verifier, nonce="n"
        )
        back = browser.agree(url, user)
        tokens: dict[str, Any] = session.fetch_token(
            authorization_response=back.location, code_verifier=verifier, state=state
        )
        keys = KeySet.import_key_set(httpx.get(metadata["jwks_uri"]).json())
        token = jwt.decode(tokens["id_token"], keys, algorithms=["RS256"])
        claims = CodeIDToken(
            token.claims,
            token.header,
            options={
                "iss": {"essential": True, "value": metadata["issuer"]},
                "aud": {"essential": True, "value": session.client_id},
            },
            params={
                "nonce": "n",
                "client_id": session.client_id,
                "access_token": tokens["access_token"],
            },
        )
        claims.validate()
        return {**tokens, "claims": claims}

    def test_goes_through_all_flows(
        self, program: Program, metadata: dict[str, Any], browser: Browser, ana: User
    ) -> None:
        session = self.session(program, metadata)
        tokens = self.signed_in(session, metadata, browser, ana)
        info = session.get(metadata["userinfo_endpoint"]).json()
        assert info == {"sub": ana.id, "name": "Ana", "preferred_username": ana.username}
        assert tokens["claims"]["sub"] == ana.id

        session.token["expires_at"] = int(time.time()) - 1
        assert session.get(f"{metadata['issuer']}/v1/chats").status_code == 200
        fresh = session.token
        assert fresh["refresh_token"] != tokens["refresh_token"]

        told = session.introspect_token(
            metadata["introspection_endpoint"], token=fresh["access_token"]
        )
        assert told.status_code == (200 if program.secret else 401)
        assert told.json().get("active", False) == bool(program.secret)

        end = browser.get(
            "/oauth2/logout",
            id_token_hint=tokens["id_token"],
            post_logout_redirect_uri=GOODBYE,
        )
        assert end.location == GOODBYE
        assert session.get(metadata["userinfo_endpoint"]).status_code == 401

        session = self.session(program, metadata)
        self.signed_in(session, metadata, browser, ana)
        token = session.token["refresh_token"]
        done = session.revoke_token(metadata["revocation_endpoint"], token=token)
        assert done.status_code == 200
        assert session.get(metadata["userinfo_endpoint"]).status_code == 401

    def test_acts_in_its_own_name(self, cloud: Cloud, metadata: dict[str, Any]) -> None:
        service = registered(
            cloud, scopes=["tokens.introspect"], redirect_uris=[], post_logout_redirect_uris=[]
        )
        for method in ("client_secret_basic", "client_secret_post"):
            session = OAuth2Session(service.id, service.secret, token_endpoint_auth_method=method)
            token = session.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
            assert token["scope"] == "tokens.introspect"


def test_openid_client_goes_through_all_flows(
    cloud: Cloud, program: Program, browser: Browser, ana: User
) -> None:
    given = [cloud.http_url, program.id, program.secret or "", BACK, GOODBYE]
    # Node looks for packages from where the file is.
    script = INSTALLED / "flows.mjs"
    script.write_text((ROOT / "tests" / "clients" / "flows.mjs").read_text())
    with subprocess.Popen(
        [str(NODE), str(script), *given],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as node:
        assert node.stdin
        assert node.stdout
        assert node.stderr
        done: dict[str, Any] = {}
        for line in node.stdout:
            step = json.loads(line)
            if "done" in step:
                done = step["done"]
                break
            url = step["visit"]
            page = browser.agree(url, ana) if "authorize" in url else browser.visit(url)
            node.stdin.write(f"{page.location}\n")
            node.stdin.flush()
        node.stdin.close()
        assert node.wait(SECONDS) == 0, node.stderr.read()

    public, challenged = program.secret is None, "OAUTH_WWW_AUTHENTICATE_CHALLENGE"
    assert done == {
        "sub": ana.id,
        "sid": "string",
        "info": {
            "sub": ana.id,
            "name": "Ana",
            "preferred_username": ana.username,
            "email": ana.signed_in["user"]["email"],
            "email_verified": False,
        },
        "mixUp": "OAUTH_INVALID_RESPONSE",
        "scope": "chats.read email openid profile",
        "active": challenged if public else True,
        "own": challenged if public else "tokens.introspect",
        "left": f"{GOODBYE}?state=bye",
        "gone": "invalid_grant",
        "revoked": challenged,
    }
