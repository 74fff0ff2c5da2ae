"""Passwords are made, kept and put into URLs."""

import json
import re
import ssl
from datetime import UTC, datetime
from typing import Any

import pika
import pytest
import redis
from cryptography import x509
from psycopg.conninfo import conninfo_to_dict

from chalicelib.config import Settings
from infra.deploy.place import SECRETS
from tests.deploy.templates.stacks import (
    AURORA,
    CHOICES,
    DATA,
    GIVEN,
    MONGODB,
    ROOT,
    STACKS,
    TEMPLATES,
)

MADE = {"PostgresPassword", "PostgresAppPassword", "RedisPassword", "BrokerUserSecret"}
"""Secrets with a password that CloudFormation makes, one for each generation."""


class TestSecrets:
    def test_no_password_is_written_down(self) -> None:
        names = ("Password", "Passwords", "MasterUserPassword", "AuthToken")
        for stack in STACKS:
            found = list(_find(stack.resources(), names))
            assert all(
                re.fullmatch(r"\{\{resolve:secretsmanager:arn:[^{}]+\}\}", one) for one in found
            )
        suspects = [n for t in TEMPLATES for n in t.parameters if re.search("(?i)pass|token", n)]
        assert suspects == ["PasswordGeneration"]

    def test_passwords_need_no_escaping_in_urls(self) -> None:
        made = [
            one["GenerateSecretString"]
            for stack in STACKS
            for one in stack.of_type("::Secret").values()
            if "GenerateSecretString" in one
        ]

        assert made
        assert all(one["ExcludePunctuation"] and one["PasswordLength"] >= 32 for one in made)
        for one in made:
            name = json.loads(one["SecretStringTemplate"])["username"]
            assert re.fullmatch(r"parley|parley_app_[17]", name)

    def test_keys_that_the_deploy_puts_in_stay(self) -> None:
        """A secret gets a new version only if its text here changes: it must depend on nothing."""
        for name in ("JwtSecret", "JwtPublicSecret", "FcmSecret", "BrokerAdminSecret"):
            assert DATA.resources[name]["Properties"]["SecretString"] == "{}"

    @pytest.mark.parametrize("choice", [{}, AURORA])
    def test_a_new_generation_changes_every_reference_to_a_password(
        self, choice: dict[str, object]
    ) -> None:
        """CloudFormation reads a secret again where the reference itself is another one."""
        old = DATA.with_parameters(**GIVEN["data"], **choice).resources()
        new = DATA.with_parameters(**GIVEN["data"], **choice, PasswordGeneration=2).resources()

        changed = {name for name in old if old[name] != new[name]}
        server = "PostgresCluster" if choice else "PostgresInstance"
        assert changed == {
            *MADE,
            "SettingsSecret",
            "PublishSecret",
            "AdminSecret",
            "RedisUser",
            server,
        }
        for name in changed - MADE:
            before, after = _references(old[name]), _references(new[name])
            assert before
            assert not before & after, name

    def test_the_brokers_first_user_never_changes(self) -> None:
        """Amazon MQ takes it once: all later ones are made over the management API."""
        old = DATA.with_parameters(**GIVEN["data"]).resources()
        new = DATA.with_parameters(**GIVEN["data"], PasswordGeneration=2).resources()

        assert old["BrokerSecret"] == new["BrokerSecret"]
        assert old["Broker"] == new["Broker"]

    def test_each_generation_is_a_secret_of_its_own_and_of_its_own_stack(self) -> None:
        names = [
            DATA.with_parameters(**GIVEN["data"], PasswordGeneration=n).resources()[name][
                "Properties"
            ]["Name"]
            for n in (1, 2)
            for name in sorted(MADE)
        ]

        assert len(set(names)) == 2 * len(MADE)
        assert all(re.fullmatch(r"parley-dev-[a-z-]+-[12]-0a1b2c3d4e5f", name) for name in names)


class TestUrls:
    """The settings secret, read by the very libraries that functions use."""

    @pytest.mark.parametrize("choice", CHOICES["data"], ids=str)
    def test_hold_what_settings_need(self, choice: dict[str, object]) -> None:
        urls = _urls(**choice)

        assert {name.lower() for name in urls} <= Settings.model_fields.keys()
        assert urls.keys() == {
            "POSTGRES_URL", "MESSAGES_URL", "REDIS_URL", "AMQP_URL", "POSTGRES_ADMIN_URL",
        }  # fmt: skip
        for secret, settings in SECRETS.items():
            text = DATA.resources[secret.removesuffix("Arn")]["Properties"]["SecretString"]
            held = re.findall(r'"([A-Z_]+)":', json.dumps(text).replace('\\"', '"'))
            assert held == ([] if text == "{}" else list(settings)), secret

    @pytest.mark.parametrize("choice", [{}, AURORA])
    def test_postgresql_is_checked_by_its_certificate(self, choice: dict[str, object]) -> None:
        url = _urls(**choice)["POSTGRES_URL"]

        read = conninfo_to_dict(url)
        owner = conninfo_to_dict(_urls(**choice)["POSTGRES_ADMIN_URL"])
        assert (read["user"], read["password"]) == ("parley_app_1", "Pa55word")
        assert owner == {**read, "user": "parley"}
        assert (read["dbname"], read["port"]) == ("parley", "5432")
        assert read["sslmode"] == "verify-full"
        assert read["sslrootcert"] == "/var/task/chalicelib/rds-ca.pem"

    def test_postgresql_is_encrypted_at_least(self) -> None:
        assert conninfo_to_dict(_urls(CaFile="")["POSTGRES_URL"])["sslmode"] == "require"

    def test_chats_in_postgresql_share_its_connection(self) -> None:
        urls = _urls()

        assert urls["MESSAGES_URL"] == urls["POSTGRES_URL"]

    def test_a_mongodb_elsewhere_is_taken_from_its_secret(self) -> None:
        assert _urls(**MONGODB)["MESSAGES_URL"] == "Pa55word"

    def test_valkey_is_checked(self) -> None:
        connection = redis.Redis.from_url(_urls()["REDIS_URL"]).connection_pool.make_connection()

        assert isinstance(connection, redis.SSLConnection)
        assert (connection.host, connection.port) == ("redis.us-east-1.amazonaws.com", 6379)
        assert connection.check_hostname
        assert connection.cert_reqs == ssl.CERT_REQUIRED
        assert (connection.username, connection.password) == ("parley", "Pa55word")

    def test_rabbitmq_is_checked(self) -> None:
        read = pika.URLParameters(_urls()["AMQP_URL"])

        assert (read.host, read.port) == ("b-1.mq.us-east-1.on.aws", 5671)
        assert read.virtual_host == "/"
        assert read.ssl_options.context.check_hostname
        assert read.credentials.username == "parley_app_1"
        assert read.credentials.password == "Pa55word"
        console = DATA.with_parameters(**GIVEN["data"]).outputs()["BrokerConsoleUrl"]
        assert console == f"https://{read.host}"

    def test_the_certificates_are_in_the_package(self) -> None:
        path = DATA.parameters["CaFile"]["Default"]
        bundle = ROOT / path.removeprefix("/var/task/")

        roots = x509.load_pem_x509_certificates(bundle.read_bytes())
        names = {
            root.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value for root in roots
        }
        assert names >= {
            f"Amazon RDS {region} Root CA RSA2048 G1" for region in ("us-east-1", "eu-central-1")
        }
        for root in roots:
            root.verify_directly_issued_by(root)
            assert root.not_valid_after_utc > datetime(2060, 1, 1, tzinfo=UTC)


def _find(place: Any, names: tuple[str, ...]) -> list[str]:
    if isinstance(place, list):
        return [found for one in place for found in _find(one, names)]
    if not isinstance(place, dict):
        return []
    found = [v for name in names for v in [place.get(name)] if v is not None]
    texts = [t for one in found for t in (one if isinstance(one, list) else [one])]
    return texts + [one for value in place.values() for one in _find(value, names)]


def _urls(**choice: object) -> dict[str, str]:
    """What the secrets with URLs would hold, with `Pa55word` for every password."""
    stack = DATA.with_parameters(**{**GIVEN["data"], **choice})
    urls: dict[str, str] = {}
    for name in ("SettingsSecret", "PublishSecret", "AdminSecret"):
        text = stack.of_type("::Secret")[name]["SecretString"]
        urls |= json.loads(re.sub(r"\{\{resolve:[^{}]+\}\}", "Pa55word", text))
    return urls


def _references(place: Any) -> set[str]:
    """The dynamic references in a resource."""
    return set(re.findall(r"\{\{resolve:[^{}]+\}\}", json.dumps(place)))
