"""Development keys and passwords, made at the first run and kept in the state folder."""

import datetime
import ipaddress
import json
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from infra.deploy import keys as signing

PROJECT = "parley-local"


@dataclass(frozen=True)
class AwsKeys:
    """What signs requests to AWS's services. Valid on this machine only."""

    access_key: str
    secret_key: str


@dataclass(frozen=True)
class ServiceAccount:
    """The Google account that the FCM stand-in knows."""

    private_key_pem: str
    project_id: str = PROJECT

    @property
    def client_email(self) -> str:
        return f"push@{self.project_id}.iam.gserviceaccount.com"

    @property
    def public_key(self) -> rsa.RSAPublicKey:
        """What assertions are checked with."""
        key = serialization.load_pem_private_key(self.private_key_pem.encode(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        return key.public_key()

    def to_json(self, token_uri: str) -> str:
        """A service account file as Google hands it out."""
        return json.dumps(
            {
                "type": "service_account",
                "project_id": self.project_id,
                "private_key_id": "local",
                "private_key": self.private_key_pem,
                "client_email": self.client_email,
                "client_id": "1",
                "token_uri": token_uri,
            }
        )


@dataclass(frozen=True)
class Keys:
    """All keys of one state folder."""

    jwks: str
    service_account: ServiceAccount
    aws: AwsKeys


def load(folder: Path) -> Keys:
    """Read the keys, and make those that are missing."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Keys(
        jwks=_kept(folder / "token-keys.json", _new_jwks),
        service_account=ServiceAccount(_kept(folder / "service-account.pem", _new_rsa_key)),
        aws=aws(folder),
    )


def aws(folder: Path) -> AwsKeys:
    """The keys that requests to AWS services are signed with, here."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return AwsKeys("local", _kept(folder / "aws-secret", lambda: secrets.token_urlsafe(30)))


def password(folder: Path, owner: str) -> str:
    """What somebody signs in to one of the servers with; safe in a URL and in a file."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return _kept(folder / f"{owner}-password", lambda: secrets.token_urlsafe(24))


def certificate(folder: Path) -> Path:
    """A file with a certificate and its key, for parts of a server that trust nobody else."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / "certificate.pem"
    _kept(path, new_certificate)
    return path


def _kept(path: Path, make: Callable[[], str]) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        pass
    value = make()
    # An interrupted first run must not leave half a key.
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(value)
    partial.replace(path)
    return value


def _new_jwks() -> str:
    return signing.write(signing.new_keys(time.time()))


def _new_rsa_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def new_certificate() -> str:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, PROJECT)])
    today = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    return (
        made.public_bytes(serialization.Encoding.PEM).decode()
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()
    )
