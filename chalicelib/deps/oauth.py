"""Builds the OAuth provider."""

from functools import cached_property
from typing import TYPE_CHECKING

from chalicelib.deps.admin import AdminDeps

if TYPE_CHECKING:
    from chalicelib.oauth.browsers import Browsers
    from chalicelib.oauth.clients import Clients
    from chalicelib.oauth.consent import Consent
    from chalicelib.oauth.consents import ConsentStore
    from chalicelib.oauth.edit_store import EditStore
    from chalicelib.oauth.grants import Grants
    from chalicelib.oauth.origins import Origins
    from chalicelib.oauth.programs import Programs
    from chalicelib.oauth.service import OAuth
    from chalicelib.oauth.signing_in import SigningIn
    from chalicelib.oauth.store import ClientStore, Codes


class OAuthDeps(AdminDeps):
    @cached_property
    def client_store(self) -> "ClientStore":
        from chalicelib.oauth.store import ClientStore

        return ClientStore(self.postgres)

    @cached_property
    def edit_store(self) -> "EditStore":
        from chalicelib.oauth.edit_store import EditStore

        return EditStore(self.postgres)

    @cached_property
    def codes(self) -> "Codes":
        from chalicelib.oauth.store import Codes

        return Codes(self.redis)

    @cached_property
    def consent_store(self) -> "ConsentStore":
        from chalicelib.oauth.consents import ConsentStore

        return ConsentStore(self.postgres)

    @cached_property
    def grants(self) -> "Grants":
        from chalicelib.oauth.grants import Grants

        return Grants(consents=self.consent_store, auth=self.auth)

    @cached_property
    def oauth_clients(self) -> "Clients":
        from chalicelib.oauth.clients import Clients

        return Clients(
            store=self.client_store,
            edits=self.edit_store,
            consents=self.consent_store,
            admin=self.admin,
            auth=self.auth,
        )

    @cached_property
    def program_origins(self) -> "Origins":
        from chalicelib.oauth.origins import Origins

        return Origins(self.client_store)

    @cached_property
    def programs(self) -> "Programs":
        from chalicelib.oauth.programs import Programs

        return Programs(
            clients=self.client_store,
            codes=self.codes,
            auth=self.auth,
            tokens=self.access_tokens,
            revocation=self.revocation,
        )

    @cached_property
    def oauth(self) -> "OAuth":
        from chalicelib.oauth.service import OAuth

        return OAuth(
            self.settings,
            clients=self.client_store,
            edits=self.edit_store,
            codes=self.codes,
            auth=self.auth,
            tokens=self.access_tokens,
            throttle=self.throttle,
            users=self.later(OAuthDeps.users),
        )

    @cached_property
    def consent(self) -> "Consent":
        from chalicelib.oauth.consent import Consent

        return Consent(
            self.settings,
            oauth=self.oauth,
            auth=self.auth,
            tokens=self.access_tokens,
            signing_in=self.signing_in,
            consents=self.consent_store,
            users=self.users,
            throttle=self.throttle,
        )

    @cached_property
    def signing_in(self) -> "SigningIn":
        from chalicelib.oauth.signing_in import SigningIn

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
    def browsers(self) -> "Browsers":
        from chalicelib.oauth.browsers import Browsers

        return Browsers(
            self.settings,
            consent=self.consent,
            oauth=self.oauth,
            auth=self.auth,
            tokens=self.access_tokens,
        )
