"""Builds all ways to sign in, and the mails about them."""

from functools import cached_property
from typing import TYPE_CHECKING

from chalicelib.deps.live import LiveDeps

if TYPE_CHECKING:
    from chalicelib.auth.accounts import Accounts
    from chalicelib.auth.confirmation import Confirmation
    from chalicelib.auth.deletion import Deletion
    from chalicelib.auth.google.models import GoogleStart
    from chalicelib.auth.google.service import Google
    from chalicelib.auth.google.tokens import GoogleTokens
    from chalicelib.auth.passkeys.service import Passkeys
    from chalicelib.auth.passkeys.webauthn import RelyingParty
    from chalicelib.auth.password_changes import PasswordChanges
    from chalicelib.auth.passwords import Passwords
    from chalicelib.auth.recovery.email_changes import EmailChanges
    from chalicelib.auth.recovery.email_store import EmailStore
    from chalicelib.auth.recovery.service import Recovery
    from chalicelib.auth.second_factor.service import SecondFactor
    from chalicelib.auth.sessions.revocation import Revocation
    from chalicelib.auth.sessions.service import Auth
    from chalicelib.auth.sessions.store import SessionStore
    from chalicelib.auth.sessions.tokens import AccessTokens
    from chalicelib.auth.store import AccountStore
    from chalicelib.mail.service import Mails
    from chalicelib.personal_data import PersonalData


class AuthDeps(LiveDeps):
    @cached_property
    def revocation(self) -> "Revocation":
        from chalicelib.auth.sessions.revocation import Revocation

        return Revocation(self.redis, self.settings)

    @cached_property
    def auth(self) -> "Auth":
        from chalicelib.auth.sessions.service import Auth
        from chalicelib.auth.sessions.tickets import Tickets

        return Auth(
            self.settings,
            revocation=self.revocation,
            tickets=Tickets(self.redis, self.settings),
            tokens=self.later(AuthDeps.access_tokens),
            store=self.later(AuthDeps.session_store),
            throttle=self.later(AuthDeps.throttle),
            sockets=self.later(AuthDeps.gateway),
        )

    @cached_property
    def access_tokens(self) -> "AccessTokens":
        from chalicelib.auth.sessions.tokens import AccessTokens

        return AccessTokens(self.settings)

    @cached_property
    def account_store(self) -> "AccountStore":
        from chalicelib.auth.store import AccountStore

        return AccountStore(self.postgres, self.session_store)

    @cached_property
    def session_store(self) -> "SessionStore":
        from chalicelib.auth.sessions.store import SessionStore
        from chalicelib.oauth import sql

        return SessionStore(self.postgres, sql.OF_SESSIONS)

    @cached_property
    def personal_data(self) -> "PersonalData":
        from chalicelib.personal_data import PersonalData

        return PersonalData(self.postgres, end_sessions=self.session_store.revoke_all)

    @cached_property
    def passwords(self) -> "Passwords":
        from chalicelib.auth.passwords import Passwords

        return Passwords(self.settings)

    @cached_property
    def accounts(self) -> "Accounts":
        from chalicelib.auth.accounts import Accounts

        return Accounts(
            store=self.account_store,
            passwords=self.passwords,
            throttle=self.throttle,
            auth=self.auth,
            users=self.users,
            confirmation=self.confirmation,
            names=self.reserved_names,
        )

    @cached_property
    def confirmation(self) -> "Confirmation":
        from chalicelib.auth.confirmation import Confirmation

        return Confirmation(
            store=self.account_store,
            passwords=self.passwords,
            throttle=self.throttle,
            second_factor=self.later(AuthDeps.second_factor),
            passkeys=self.later(AuthDeps.passkeys),
        )

    @cached_property
    def password_changes(self) -> "PasswordChanges":
        from chalicelib.auth.password_changes import PasswordChanges

        return PasswordChanges(
            store=self.account_store,
            passwords=self.passwords,
            confirmation=self.confirmation,
            auth=self.auth,
            users=self.users,
        )

    @cached_property
    def deletion(self) -> "Deletion":
        from chalicelib.auth.deletion import Deletion

        return Deletion(
            erase=self.personal_data.erase,
            throttle=self.throttle,
            confirmation=self.confirmation,
            auth=self.auth,
            users=self.users,
            forget_presence=self.connections.forget_user,
        )

    @cached_property
    def second_factor(self) -> "SecondFactor":
        from chalicelib.auth.second_factor.service import SecondFactor
        from chalicelib.auth.second_factor.store import SecondFactorStore

        return SecondFactor(
            store=SecondFactorStore(self.postgres),
            throttle=self.throttle,
            users=self.users,
            confirm=self.confirmation.confirm,
        )

    @cached_property
    def passkeys(self) -> "Passkeys":
        from chalicelib.auth.passkeys.challenges import Challenges
        from chalicelib.auth.passkeys.service import Passkeys
        from chalicelib.auth.passkeys.store import PasskeyStore

        return Passkeys(
            store=PasskeyStore(self.postgres),
            challenges=Challenges(self.redis, self.later(AuthDeps.challenge_keys)),
            relying_party=self.later(AuthDeps.relying_party),
            accounts=self.accounts,
            confirm=self.confirmation.confirm,
            throttle=self.throttle,
            users=self.users,
        )

    @cached_property
    def challenge_keys(self) -> list[bytes]:
        from chalicelib.auth.passkeys.challenges import KEYS_FOR

        return self.access_tokens.keys_for(KEYS_FOR)

    @cached_property
    def relying_party(self) -> "RelyingParty | None":
        settings = self.settings
        if not (settings.passkey_rp_id and settings.passkey_origins):
            return None
        from chalicelib.auth.passkeys.webauthn import RelyingParty

        return RelyingParty(settings.passkey_rp_id, settings.origins_of_passkeys)

    @cached_property
    def google(self) -> "Google":
        from chalicelib.auth.google.service import Google
        from chalicelib.auth.google.store import GoogleStore
        from chalicelib.auth.google.uses import IdTokenUses

        return Google(
            start=self.google_start,
            tokens=self.later(AuthDeps.google_tokens),
            uses=IdTokenUses(self.redis),
            store=GoogleStore(self.postgres, self.account_store),
            accounts=self.accounts,
            confirmation=self.confirmation,
            auth=self.auth,
            passwords=self.passwords,
            throttle=self.throttle,
            names=self.reserved_names,
        )

    @cached_property
    def google_start(self) -> "GoogleStart | None":
        from chalicelib.auth.google.models import GoogleStart

        ours, url = self.settings.clients_at_google, self.settings.google_url
        where = f"{url}/authorize" if url else "https://accounts.google.com/o/oauth2/v2/auth"
        return GoogleStart(client_id=ours[0], authorization_endpoint=where) if ours else None

    @cached_property
    def google_tokens(self) -> "GoogleTokens":
        from chalicelib.auth.google.tokens import ISSUER, GoogleKeys, GoogleTokens
        from chalicelib.drivers.http import KeptConnections

        url = self.settings.google_url
        http = KeptConnections(url or "https://www.googleapis.com")
        path = "/certs" if url else "/oauth2/v3/certs"
        keys = GoogleKeys(
            lambda: http.exchange("GET", path, {"host": http.host}, b"", again=True)[:2]
        )
        return GoogleTokens(keys, client_ids=self.settings.clients_at_google, issuer=url or ISSUER)

    @cached_property
    def recovery(self) -> "Recovery":
        from chalicelib.auth.recovery.service import Recovery
        from chalicelib.auth.recovery.store import RecoveryStore

        return Recovery(
            self.settings,
            store=RecoveryStore(self.postgres, self.session_store),
            queue=self.mail_store.add,
            throttle=self.throttle,
            passwords=self.later(AuthDeps.passwords),
            auth=self.auth,
            users=self.users,
            changes=self.later(AuthDeps.email_changes),
            wanted=self.email_store,
        )

    @cached_property
    def email_store(self) -> "EmailStore":
        from chalicelib.auth.recovery.email_store import EmailStore

        return EmailStore(self.postgres)

    @cached_property
    def email_changes(self) -> "EmailChanges":
        from chalicelib.auth.recovery.email_changes import EmailChanges

        return EmailChanges(
            store=self.email_store,
            confirmation=self.confirmation,
            throttle=self.throttle,
            users=self.users,
            sockets=self.gateway,
        )

    @cached_property
    def mails(self) -> "Mails":
        from chalicelib.mail.service import Mails
        from chalicelib.mail.ses import Ses

        return Mails(
            self.settings,
            store=self.mail_store,
            notices=self.notice_store,
            ses=Ses(self.settings),
            throttle=self.throttle,
            letters=self.recovery.letters,
        )
