"""The relying party of Web Authentication (WebAuthn Level 2), by python-fido2."""

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from fido2 import cbor
from fido2.cose import ES256, RS256, CoseKey, EdDSA
from fido2.server import Fido2Server
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import (
    Aaguid,
    AttestedCredentialData,
    AuthenticationResponse,
    CollectedClientData,
    PublicKeyCredentialDescriptor,
    PublicKeyCredentialParameters,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialType,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from chalicelib.auth.passkeys.challenges import SECONDS
from chalicelib.auth.passkeys.models import Unacceptable

ALGORITHMS: tuple[type[CoseKey], ...] = (ES256, EdDSA, RS256)
MAX_CREDENTIAL_ID = 1023
RSA_BYTES = 256

_REQUIRED = UserVerificationRequirement.REQUIRED

logging.getLogger("fido2").setLevel(logging.WARNING)  # it logs which credential was used


class Made(NamedTuple):
    """A new credential: its id, its public key in COSE form, and its first count."""

    credential_id: bytes
    public_key: bytes
    sign_count: int


class RelyingParty:
    """Options and answers are as the standard's JSON has them (Level 3, section 5.1.8 and on).
    Users are always verified, so a passkey is two factors: the device, and its PIN or a biometric.
    """

    def __init__(self, rp_id: str, origins: Collection[str]) -> None:
        self._server = Fido2Server(
            PublicKeyCredentialRpEntity(id=rp_id, name="Parley"),
            verify_origin=lambda origin: origin in origins,
        )
        self._server.timeout = SECONDS * 1000  # type: ignore[assignment]
        self._server.allowed_algorithms = [
            PublicKeyCredentialParameters(
                type=PublicKeyCredentialType.PUBLIC_KEY, alg=one.ALGORITHM
            )
            for one in ALGORITHMS
        ]

    def creation(
        self, challenge: bytes, *, handle: bytes, username: str, name: str, known: Collection[bytes]
    ) -> dict[str, Any]:
        """Options for a new passkey, on an authenticator that has none of those in `known`."""
        options, _ = self._server.register_begin(
            PublicKeyCredentialUserEntity(id=handle, name=username, display_name=name),
            credentials=[_descriptor(one) for one in known],
            resident_key_requirement=ResidentKeyRequirement.REQUIRED,
            user_verification=_REQUIRED,
            challenge=challenge,
        )
        return {"attestation": "none", **dict(options.public_key)}

    def request(self, challenge: bytes, allowed: Collection[bytes] = ()) -> dict[str, Any]:
        """Options for a passkey's answer: one of `allowed`, or any if that is empty."""
        options, _ = self._server.authenticate_begin(
            [_descriptor(one) for one in allowed] or None,
            user_verification=_REQUIRED,
            challenge=challenge,
        )
        return dict(options.public_key)

    def challenge_in(self, client_data: str) -> bytes:
        """The challenge that an answer names. Raises Unacceptable."""
        with _checked():
            found = CollectedClientData(websafe_decode(client_data))
            if found.cross_origin:
                raise Unacceptable
            return found.challenge

    def registered(self, challenge: bytes, answer: dict[str, Any]) -> Made:
        """The new passkey in an answer (section 7.1). Raises Unacceptable."""
        with _checked():
            parsed = RegistrationResponse.from_dict(answer)
            found = self._server.register_complete(_state(challenge), parsed)
            made = found.credential_data
            if made is None or made.credential_id != parsed.raw_id:
                raise Unacceptable
            if not 0 < len(made.credential_id) <= MAX_CREDENTIAL_ID:
                raise Unacceptable
            _refuse_weak(made.public_key)
            return Made(made.credential_id, cbor.encode(dict(made.public_key)), found.counter)

    def asserted(
        self, challenge: bytes, credential_id: bytes, public_key: bytes, answer: dict[str, Any]
    ) -> int:
        """The signature count in a right answer (section 7.2). Raises Unacceptable."""
        with _checked():
            parsed = AuthenticationResponse.from_dict(answer)
            key = CoseKey.parse(dict(cbor.decode(public_key)))  # type: ignore[arg-type]
            known = AttestedCredentialData.create(Aaguid.NONE, credential_id, key)
            self._server.authenticate_complete(_state(challenge), [known], parsed)
            return parsed.response.authenticator_data.counter


def _descriptor(credential_id: bytes) -> PublicKeyCredentialDescriptor:
    return PublicKeyCredentialDescriptor(type=PublicKeyCredentialType.PUBLIC_KEY, id=credential_id)


def _state(challenge: bytes) -> dict[str, Any]:
    return {"challenge": websafe_encode(challenge), "user_verification": _REQUIRED}


def _refuse_weak(key: CoseKey) -> None:
    """The library checks neither the algorithm of a new passkey nor its public key."""
    if type(key) not in ALGORITHMS:
        raise Unacceptable
    if isinstance(key, RS256) and len(key[-1]) < RSA_BYTES:
        raise Unacceptable
    with suppress(InvalidSignature):
        key.verify(b"", b"")


@contextmanager
def _checked() -> Iterator[None]:
    # The library does not document which errors it raises. All input comes from strangers.
    try:
        yield
    except Exception:
        raise Unacceptable from None
