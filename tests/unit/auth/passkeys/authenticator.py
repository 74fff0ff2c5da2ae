"""An authenticator in software: makes passkeys, and answers as one would (WebAuthn, section 6)."""

import hashlib
import json
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from fido2 import cbor
from fido2.utils import websafe_decode

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40

Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


def p256() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def p384() -> Key:
    return ec.generate_private_key(ec.SECP384R1())


def edwards() -> Key:
    return ed25519.Ed25519PrivateKey.generate()


def rsa_key(size: int = 2048) -> Key:
    return rsa.generate_private_key(65537, size)


def text(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


@dataclass
class Authenticator:
    """One passkey, and what a browser around it would say."""

    key: Key = field(default_factory=p256)
    origin: str = "https://chat.example.com"
    rp_id: str = "example.com"
    counts: bool = False
    count: int = 0
    handle: bytes = b""
    flags: int = PRESENT | VERIFIED
    cross_origin: bool = False
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def make(self, options: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """A RegistrationResponseJSON."""
        self.handle = websafe_decode(options["user"]["id"])
        cose = cbor.encode(cose_key(self.key))
        attested = bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id
        data = self.data(self.flags | ATTESTED) + attested + cose
        attestation = cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer(
            {
                "clientDataJSON": text(self.client_data("webauthn.create", options)),
                "attestationObject": text(attestation),
                **changes,
            }
        )

    def answer(self, options: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """An AuthenticationResponseJSON."""
        self.count += self.counts
        client_data, data = self.client_data("webauthn.get", options), self.data(self.flags)
        return self._answer(
            {
                "clientDataJSON": text(client_data),
                "authenticatorData": text(data),
                "signature": text(self.sign(data + hashlib.sha256(client_data).digest())),
                "userHandle": text(self.handle),
                **changes,
            }
        )

    def client_data(self, kind: str, options: dict[str, Any]) -> bytes:
        said = {"type": kind, "challenge": options["challenge"], "origin": self.origin}
        return json.dumps({**said, "crossOrigin": self.cross_origin}).encode()

    def data(self, flags: int) -> bytes:
        digest = hashlib.sha256(self.rp_id.encode()).digest()
        return digest + bytes([flags]) + self.count.to_bytes(4, "big")

    def sign(self, message: bytes) -> bytes:
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            return self.key.sign(message, ec.ECDSA(hashes.SHA256()))
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        return self.key.sign(message)

    def _answer(self, response: dict[str, Any]) -> dict[str, Any]:
        credential_id = text(self.credential_id)
        return {
            "id": credential_id,
            "rawId": credential_id,
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": {name: value for name, value in response.items() if value is not None},
        }


def cose_key(key: Key) -> dict[int, Any]:
    """The public key as COSE has it (RFC 9053)."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return {1: 1, 3: -8, -1: 6, -2: key.public_key().public_bytes_raw()}
    if isinstance(key, rsa.RSAPrivateKey):
        numbers, size = key.public_key().public_numbers(), key.key_size // 8
        return {1: 3, 3: -257, -1: numbers.n.to_bytes(size, "big"), -2: b"\x01\x00\x01"}
    point, size = key.public_key().public_numbers(), key.key_size // 8
    algorithm, curve = (-7, 1) if size == 32 else (-35, 2)
    x, y = (one.to_bytes(size, "big") for one in (point.x, point.y))
    return {1: 2, 3: algorithm, -1: curve, -2: x, -3: y}
