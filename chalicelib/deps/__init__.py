"""Composition root: who gets what. Built on first use, kept while the function is warm."""

from collections.abc import Callable
from functools import cached_property, partial
from typing import TYPE_CHECKING

from chalicelib import logs
from chalicelib.config import Settings

if TYPE_CHECKING:
    import redis

    from chalicelib.admin.service import Admin
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
    from chalicelib.broker.publisher import Broker
    from chalicelib.domain_events.consumers import EventConsumers
    from chalicelib.domain_events.service import DomainEvents
    from chalicelib.drivers.postgres import Postgres
    from chalicelib.exports.archive import Archive
    from chalicelib.exports.links import ExportLinks
    from chalicelib.exports.service import Exports
    from chalicelib.exports.store import ExportStore
    from chalicelib.limits.guesses import Throttle
    from chalicelib.live.connections import Connections
    from chalicelib.live.gateway import Gateway
    from chalicelib.live.presence import Presence
    from chalicelib.mail.notices import NoticeStore
    from chalicelib.mail.service import Mails
    from chalicelib.mail.store import MailStore
    from chalicelib.messages.service import Messages
    from chalicelib.messages.store import MessageStore
    from chalicelib.notify.canary import Canaries
    from chalicelib.notify.direct import DirectPush
    from chalicelib.notify.fcm import Fcm
    from chalicelib.notify.service import Notifier
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
    from chalicelib.personal_data import PersonalData
    from chalicelib.users.devices import Devices
    from chalicelib.users.names import ReservedNames
    from chalicelib.users.profiles import Users


class Deps:
    """Imports inside: a function that does not need an SDK must not pay for loading it."""

    @cached_property
    def settings(self) -> Settings:
        settings = Settings.load()
        logs.set_level(settings.log_level)
        return settings

    @cached_property
    def redis(self) -> "redis.Redis":
        from chalicelib.drivers.redis import connect

        return connect(self.settings.redis_url.get_secret_value())

    @cached_property
    def postgres(self) -> "Postgres":
        from chalicelib.drivers.postgres import Postgres

        settings = self.settings
        return Postgres(settings.postgres_url.get_secret_value(), pooled=settings.postgres_pooled)

    @cached_property
    def broker(self) -> "Broker":
        from chalicelib.broker.publisher import Broker

        return Broker(
            self.settings.amqp_url.get_secret_value(),
            retry_seconds=self.settings.push_retry_seconds,
        )

    @cached_property
    def domain_events(self) -> "DomainEvents":
        from chalicelib.domain_events.outbox import Outbox
        from chalicelib.domain_events.service import DomainEvents

        return DomainEvents(self.settings, outbox=Outbox(self.postgres), broker=lambda: self.broker)

    @cached_property
    def event_consumers(self) -> "EventConsumers":
        from chalicelib.domain_events.consumers import EventConsumers

        return EventConsumers(self.settings)

    @cached_property
    def connections(self) -> "Connections":
        from chalicelib.live.connections import Connections

        return Connections(self.redis, self.settings)

    @cached_property
    def gateway(self) -> "Gateway":
        from chalicelib.live.gateway import Gateway

        return Gateway(self.settings, connections=self.connections)

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
            tokens=lambda: self.access_tokens,
            store=lambda: self.session_store,
            throttle=lambda: self.throttle,
            sockets=lambda: self.gateway,
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
    def throttle(self) -> "Throttle":
        from chalicelib.limits.guesses import Throttle

        return Throttle(self.redis, self.settings.limits)

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
            second_factor=lambda: self.second_factor,
            passkeys=lambda: self.passkeys,
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
            forget_presence=lambda user_id: self.connections.forget_user(user_id),
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
        from chalicelib.auth.passkeys.challenges import KEYS_FOR, Challenges
        from chalicelib.auth.passkeys.service import Passkeys
        from chalicelib.auth.passkeys.store import PasskeyStore

        return Passkeys(
            store=PasskeyStore(self.postgres),
            challenges=Challenges(self.redis, lambda: self.access_tokens.keys_for(KEYS_FOR)),
            relying_party=lambda: self.relying_party,
            accounts=self.accounts,
            confirm=self.confirmation.confirm,
            throttle=self.throttle,
            users=self.users,
        )

    @cached_property
    def google(self) -> "Google":
        from chalicelib.auth.google.service import Google
        from chalicelib.auth.google.store import GoogleStore
        from chalicelib.auth.google.uses import IdTokenUses

        return Google(
            start=self.google_start,
            tokens=lambda: self.google_tokens,
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
    def relying_party(self) -> "RelyingParty | None":
        settings = self.settings
        if not (settings.passkey_rp_id and settings.passkey_origins):
            return None
        from chalicelib.auth.passkeys.webauthn import RelyingParty

        return RelyingParty(settings.passkey_rp_id, settings.origins_of_passkeys)

    @cached_property
    def passwords(self) -> "Passwords":
        from chalicelib.auth.passwords import Passwords

        return Passwords(self.settings)

    @cached_property
    def recovery(self) -> "Recovery":
        from chalicelib.auth.recovery.service import Recovery
        from chalicelib.auth.recovery.store import RecoveryStore

        return Recovery(
            self.settings,
            store=RecoveryStore(self.postgres, self.session_store),
            queue=self.mail_store.add,
            throttle=self.throttle,
            passwords=lambda: self.passwords,
            auth=self.auth,
            users=self.users,
            changes=lambda: self.email_changes,
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
    def mail_store(self) -> "MailStore":
        from chalicelib.mail.store import MailStore

        return MailStore(self.postgres)

    @cached_property
    def notice_store(self) -> "NoticeStore":
        from chalicelib.mail.notices import NoticeStore

        return NoticeStore(self.postgres)

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

    @cached_property
    def users(self) -> "Users":
        from chalicelib.auth.sql import pending_email
        from chalicelib.users.cache import ProfileCache
        from chalicelib.users.profile_store import UserStore
        from chalicelib.users.profiles import Users

        return Users(
            store=UserStore(self.postgres, pending_email),
            cache=ProfileCache(self.redis),
            names=lambda: self.reserved_names,
        )

    @cached_property
    def devices(self) -> "Devices":
        from chalicelib.auth.sql import OF_DEVICES
        from chalicelib.users.device_store import DeviceStore
        from chalicelib.users.devices import Devices

        return Devices(store=DeviceStore(self.postgres, OF_DEVICES), users=self.users)

    @cached_property
    def reserved_names(self) -> "ReservedNames":
        from chalicelib.users.names import ReservedNames

        return ReservedNames(self.settings.brands)

    @cached_property
    def admin(self) -> "Admin":
        from chalicelib.admin.service import Admin
        from chalicelib.admin.store import AdminStore

        return Admin(store=AdminStore(self.postgres), auth=self.auth, users=self.users)

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
            users=lambda: self.users,
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
            accounts=lambda: self.accounts,
            passkeys=lambda: self.passkeys,
            google=lambda: self.google,
            google_start=self.google_start,
            recovery=lambda: self.recovery,
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

    @cached_property
    def export_store(self) -> "ExportStore":
        from chalicelib.exports.store import ExportStore

        return ExportStore(self.postgres)

    @cached_property
    def archive(self) -> "Archive":
        from chalicelib.exports.archive import Archive

        return Archive(data=self.personal_data, messages=self.message_store)

    @cached_property
    def export_links(self) -> "ExportLinks":
        from chalicelib.exports.links import ExportLinks

        return ExportLinks(self.redis)

    @cached_property
    def exports(self) -> "Exports":
        from chalicelib.drivers.s3 import Bucket
        from chalicelib.exports.models import LINK_PATH
        from chalicelib.exports.service import Exports

        return Exports(
            store=self.export_store,
            bucket=Bucket(
                self.settings.exports_bucket,
                self.settings.exports_at,
                self.settings.signer("s3"),
            ),
            archive=lambda: self.archive,
            confirm=lambda *proof: self.confirmation.confirm(*proof),
            links=lambda: self.export_links,
            stands=lambda identity: self.auth.still_valid(identity),
            url=self.settings.issuer.rstrip("/") + LINK_PATH,
        )

    @cached_property
    def message_store(self) -> "MessageStore":
        url = self.settings.messages_url.get_secret_value()
        if url.startswith("mongodb"):
            from chalicelib.messages.store.mongo.messages import MongoMessages

            return MongoMessages(url)
        from chalicelib.drivers.postgres import Postgres
        from chalicelib.messages.store.postgres.messages import PostgresMessages

        if url == self.settings.postgres_url.get_secret_value():
            return PostgresMessages(self.postgres)
        return PostgresMessages(Postgres(url, pooled=self.settings.postgres_pooled))

    @cached_property
    def messages(self) -> "Messages":
        from chalicelib.messages.service import Messages

        return Messages(
            self.settings,
            store=self.message_store,
            connections=self.connections,
            gateway=self.gateway,
            broker=lambda: self.broker,
            users=lambda: self.users,
        )

    @cached_property
    def presence(self) -> "Presence":
        from chalicelib.live.presence import Presence

        return Presence(
            self.settings,
            connections=self.connections,
            gateway=self.gateway,
            store=lambda: self.message_store,
            auth=lambda: self.auth,
        )

    @cached_property
    def apply_schema(self) -> "Callable[[], None]":
        from chalicelib import schema

        return partial(schema.apply, self.settings)

    @cached_property
    def retire_accounts(self) -> "Callable[[], list[str]]":
        from chalicelib import schema

        return partial(schema.retire, self.settings)

    @cached_property
    def fcm(self) -> "Fcm":
        from chalicelib.notify.fcm import Fcm

        return Fcm(self.settings.fcm_credentials.get_secret_value(), self.settings.fcm_url)

    @cached_property
    def direct_push(self) -> "DirectPush":
        from chalicelib.notify.direct import DirectPush

        return DirectPush(devices=self.devices, fcm=self.fcm)

    @cached_property
    def notifier(self) -> "Notifier":
        from chalicelib.notify.service import Notifier
        from chalicelib.notify.strangers import Doorbell

        return Notifier(
            devices=self.devices,
            messages=self.messages,
            fcm=self.fcm,
            broker=self.broker,
            doorbell=Doorbell(self.redis),
            canaries=lambda: self.canaries,
        )

    @cached_property
    def canaries(self) -> "Canaries":
        from chalicelib.notify.canary import Canaries

        return Canaries(self.redis, broker=lambda: self.broker, fcm=lambda: self.fcm)


deps = Deps()
