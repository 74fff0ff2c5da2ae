"""Builds the OAuth provider."""

from functools import cached_property
from typing import TYPE_CHECKING

from chalicelib.deps.admin import AdminDeps

if TYPE_CHECKING:
    from chalicelib.oauth.authorize.browsers import Browsers
    from chalicelib.oauth.authorize.requests import Requests
    from chalicelib.oauth.authorize.service import Authorization
    from chalicelib.oauth.authorize.sign_out import SignOut
    from chalicelib.oauth.clients.origins import Origins
    from chalicelib.oauth.clients.service import Clients
    from chalicelib.oauth.clients.store import ClientStore
    from chalicelib.oauth.consents.service import Consents
    from chalicelib.oauth.consents.store import ConsentStore
    from chalicelib.oauth.signing_in.service import SigningIn
    from chalicelib.oauth.signing_in.visitors import Visitors
    from chalicelib.oauth.tokens.codes import Codes
    from chalicelib.oauth.tokens.programs import Programs
    from chalicelib.oauth.tokens.service import OAuth


class OAuthDeps(AdminDeps):
    @cached_property
    def client_store(self) -> "ClientStore":
        from chalicelib.oauth.clients.store import ClientStore

        return ClientStore(self.postgres)

    @cached_property
    def codes(self) -> "Codes":
        from chalicelib.oauth.tokens.codes import Codes

        return Codes(self.redis)

    @cached_property
    def consent_store(self) -> "ConsentStore":
        from chalicelib.oauth.consents.store import ConsentStore

        return ConsentStore(self.postgres)

    @cached_property
    def consents(self) -> "Consents":
        from chalicelib.oauth.consents.service import Consents

        return Consents(store=self.consent_store, auth=self.auth)

    @cached_property
    def oauth_clients(self) -> "Clients":
        from chalicelib.oauth.clients.service import Clients

        return Clients(
            store=self.client_store,
            consents=self.consent_store,
            admin=self.admin,
            auth=self.auth,
        )

    @cached_property
    def program_origins(self) -> "Origins":
        from chalicelib.oauth.clients.origins import Origins

        return Origins(self.client_store)

    @cached_property
    def programs(self) -> "Programs":
        from chalicelib.oauth.tokens.programs import Programs

        return Programs(
            clients=self.client_store,
            codes=self.codes,
            auth=self.auth,
            tokens=self.access_tokens,
            revocation=self.revocation,
        )

    @cached_property
    def oauth(self) -> "OAuth":
        from chalicelib.oauth.tokens.service import OAuth

        return OAuth(
            self.settings,
            clients=self.client_store,
            codes=self.codes,
            auth=self.auth,
            tokens=self.access_tokens,
            throttle=self.throttle,
            users=self.later(OAuthDeps.users),
        )

    @cached_property
    def visitors(self) -> "Visitors":
        from chalicelib.oauth.signing_in.visitors import Visitors

        return Visitors(
            self.settings, auth=self.auth, tokens=self.access_tokens, throttle=self.throttle
        )

    @cached_property
    def signing_in(self) -> "SigningIn":
        from chalicelib.oauth.signing_in.service import SigningIn

        return SigningIn(
            self.settings,
            tokens=self.access_tokens,
            accounts=self.later(OAuthDeps.accounts),
            passkeys=self.later(OAuthDeps.passkeys),
            google=self.later(OAuthDeps.google),
            google_start=self.google_start,
            recovery=self.later(OAuthDeps.recovery),
        )

    @cached_property
    def program_requests(self) -> "Requests":
        from chalicelib.oauth.authorize.requests import Requests

        return Requests(
            self.settings, oauth=self.oauth, tokens=self.access_tokens, visitors=self.visitors
        )

    @cached_property
    def authorization(self) -> "Authorization":
        from chalicelib.oauth.authorize.service import Authorization

        return Authorization(
            requests=self.program_requests,
            visitors=self.visitors,
            signing_in=self.signing_in,
            consents=self.consent_store,
            auth=self.auth,
            users=self.users,
        )

    @cached_property
    def browsers(self) -> "Browsers":
        from chalicelib.oauth.authorize.browsers import Browsers

        return Browsers(self.settings, authorization=self.authorization, visitors=self.visitors)

    @cached_property
    def sign_out(self) -> "SignOut":
        from chalicelib.oauth.authorize.sign_out import SignOut

        return SignOut(
            self.settings,
            oauth=self.oauth,
            auth=self.auth,
            tokens=self.access_tokens,
            visitors=self.visitors,
        )
