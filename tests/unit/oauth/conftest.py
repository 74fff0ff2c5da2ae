"""The provider with fakes."""

import base64
import hashlib
from dataclasses import dataclass, replace
from typing import Any

import pytest

from chalicelib.auth.sessions.models import SignedIn
from chalicelib.clock import NOW
from chalicelib.identity import Source
from chalicelib.oauth.authorize.browsers import Browsers
from chalicelib.oauth.authorize.requests import Requests
from chalicelib.oauth.authorize.service import Authorization
from chalicelib.oauth.authorize.shown import Shown
from chalicelib.oauth.authorize.sign_out import SignOut
from chalicelib.oauth.clients.registration import NewClient, RegisteredClient
from chalicelib.oauth.clients.service import Clients
from chalicelib.oauth.signing_in.service import SigningIn
from chalicelib.oauth.signing_in.visitors import Visitors
from chalicelib.oauth.tokens.models import Approval, Outcome, ProtocolRequest
from chalicelib.oauth.tokens.service import OAuth
from chalicelib.scopes import SIGN_IN
from chalicelib.wire import Sent
from tests.unit.auth.fakes import PHONE, auth_settings
from tests.unit.conftest import GOOGLE, World, make_world
from tests.unit.oauth.fakes import FakeClientStore, FakeCodes, FakeConsentStore

BACK = "https://program.example/back"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode()[:43]
ASKED = {
    "response_type": "code",
    "redirect_uri": BACK,
    "scope": "openid chats.read",
    "state": "s",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


@dataclass
class Provider:
    """The provider, its fakes, and short ways to use them."""

    world: World
    store: FakeClientStore
    codes: FakeCodes
    consents: FakeConsentStore
    clients: Clients
    oauth: OAuth
    browsers: Browsers
    sign_out: SignOut

    def program(self, **changes: Any) -> RegisteredClient:
        good = {
            "name": "Board",
            "redirect_uris": [BACK],
            "scopes": ["openid", "chats.read"],
            "confidential": True,
        }
        return self.clients.install(NewClient.model_validate({**good, **changes}))

    def ask(self, program: RegisteredClient, cookies: dict[str, str], **changes: str) -> Shown:
        query = {**ASKED, "client_id": program.client_id, **changes}
        given = {name: [value] for name, value in query.items()}
        return self.browsers.ask(Sent(query=given, cookies=cookies), PHONE)

    def post(
        self, path: str, program: RegisteredClient, source: Source = PHONE, **form: str
    ) -> Outcome:
        given = {"client_id": program.client_id, **form}
        if program.client_secret is not None:
            given.setdefault("client_secret", program.client_secret)
        sent = Sent(form={name: [value] for name, value in given.items()})
        outcome: Outcome = getattr(self.oauth, path)(sent, source)
        return outcome

    def code(self, program: RegisteredClient, signed_in: SignedIn, **changes: str) -> str:
        """A code, as if the user had agreed on the page."""
        server = self.oauth.server(PHONE)
        given = {**ASKED, "client_id": program.client_id, **changes}
        asked = {name: value for name, value in given.items() if value}
        grant = server.get_consent_grant(ProtocolRequest("GET", self.world.settings.issuer, asked))
        identity = replace(self.world.identity(signed_in), scopes=frozenset({SIGN_IN}))
        self.consents.remember(
            identity.user_id,
            program.client_id,
            asked.get("scope", "").split(),
            session_id=identity.session_id,
            now=NOW,
        )
        approval = Approval(identity=identity, auth_time=1)
        outcome = server.create_authorization_response(grant.request, approval, grant)
        assert isinstance(outcome.body, dict), outcome
        code: str = outcome.body["code"]
        return code

    def trade(self, program: RegisteredClient, code: str, **changes: str) -> Outcome:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": BACK,
            "code_verifier": VERIFIER,
        }
        return self.post("token", program, PHONE, **{**form, **changes})

    def granted(self, program: RegisteredClient, signed_in: SignedIn, **changes: str) -> Any:
        outcome = self.trade(program, self.code(program, signed_in, **changes))
        assert outcome.status == 200, outcome
        return outcome.body


def make_provider(**changes: Any) -> Provider:
    given = auth_settings(**changes)
    world, codes = make_world(given), FakeCodes()
    store = FakeClientStore(world.clock)
    tokens = world.auth._tokens()
    consents = FakeConsentStore(world.tables, store)
    clients = Clients(store=store, consents=consents, admin=world.admin, auth=world.auth)
    oauth = OAuth(
        given,
        clients=store,
        codes=codes,
        auth=world.auth,
        tokens=tokens,
        throttle=world.throttle,
        users=lambda: world.users,
    )
    visitors = Visitors(given, auth=world.auth, tokens=tokens, throttle=world.throttle)
    authorization = Authorization(
        requests=Requests(given, oauth=oauth, tokens=tokens, visitors=visitors),
        visitors=visitors,
        signing_in=SigningIn(
            given,
            tokens=tokens,
            accounts=lambda: world.accounts,
            passkeys=lambda: world.passkeys,
            google=lambda: world.google,
            google_start=GOOGLE,
            recovery=lambda: world.recovery,
            clock=world.clock,
        ),
        consents=consents,
        auth=world.auth,
        users=world.users,
        clock=world.clock,
    )
    browsers = Browsers(given, authorization=authorization, visitors=visitors)
    sign_out = SignOut(given, oauth=oauth, auth=world.auth, tokens=tokens, visitors=visitors)
    return Provider(world, store, codes, consents, clients, oauth, browsers, sign_out)


@pytest.fixture
def provider() -> Provider:
    return make_provider()
