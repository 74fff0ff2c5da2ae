"""`make rotate-keys`: does the next phase of a change of the signing keys."""

import time
from collections.abc import Callable

from infra.deploy import keys
from infra.deploy.errors import Stopped
from infra.deploy.functions import deployed
from infra.deploy.place import Place
from infra.deploy.vault import JWT, Vault


class Rotate:
    """One phase: the secret changes, then every function reads it.

    If a run ended between the two, the next run completes it first, and the waiting time starts
    again.
    """

    def __init__(self, place: Place, clock: Callable[[], float] = time.time) -> None:
        self._place = place
        self._vault = Vault(place.aws)
        self._clock = clock
        self._following = ""

    def run(self) -> None:
        """Do the next phase, and say what comes after it."""
        self._place.console.run([("check", self._place.check), ("keys", self._step)])
        self._place.console.say(f"\n  {self._following}")

    def _step(self) -> str:
        with self._place.artifacts.locked():
            return self._advance()

    def _advance(self) -> str:
        arn = self._place.data["JwtSecretArn"]
        held = self._vault.read(arn)
        if not held.get(JWT):
            raise Stopped(f"There is no key yet. First: make deploy STAGE={self._place.stage.name}")
        current, now = keys.read(held[JWT]), self._clock()
        if self._all_have_it():
            rotation = keys.advance(current, now, self._place.stage.access_token_seconds)
        else:
            stamped = keys.stamped(current, now)
            again = f"make rotate-keys STAGE={self._place.stage.name}"
            rotation = keys.Rotation(stamped, "the phase before is finished", f"Then: {again}")
        self._vault.write_jwt(arn, self._place.data["JwtPublicSecretArn"], rotation.keys)
        deployed.take_secrets(self._place.aws, self._place.project, self._place.secrets_versions)
        self._following = rotation.following
        return rotation.done

    def _all_have_it(self) -> bool:
        versions = self._place.secrets_versions
        return deployed.have_secrets(self._place.aws, self._place.project, versions)
