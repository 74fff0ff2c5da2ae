"""`make rollback`: restores the functions of the deploy before. The schema stays."""

from collections.abc import Callable
from contextlib import ExitStack

from infra.deploy.checks import readiness
from infra.deploy.errors import Stopped
from infra.deploy.functions import deployed
from infra.deploy.functions.releases import Release, Releases
from infra.deploy.place import Place
from infra.deploy.stages import GIVEN


class Rollback:
    """One run. If it ends early, the next run completes it."""

    def __init__(self, place: Place, ready: Callable[..., str] = readiness.wait) -> None:
        self._place = place
        self._aws = place.aws
        self._ready = ready
        self._held = ExitStack()

    def run(self) -> None:
        """Do all steps. Raises at the first that fails."""
        with self._held:
            self._place.console.run(
                [
                    ("check", self._check),
                    ("functions", self._functions),
                    ("ready", self._look),
                ]
            )

    def _check(self) -> str:
        outcome = self._place.check()
        self._held.enter_context(self._place.artifacts.locked())
        return outcome

    def _functions(self) -> str:
        releases = Releases(self._aws, self._place.artifacts, self._place.project)
        kept = releases.read()
        if kept and self._runs(kept[-1], releases):
            kept = kept[:-1]
        # Otherwise a deploy or a rollback ended half way, and this run restores the newest release.
        if not kept:
            raise Stopped(
                f"No deploy before this one is kept. Check out the commit that should run, and: "
                f"make deploy STAGE={self._place.stage.name}"
            )
        target = kept[-1]
        codes = self._codes(target, releases)
        releases.write(kept)
        for name, version in target.functions.items():
            self._place.console.progress(f"Restoring {name}")
            now = deployed.variables(self._aws, name)
            of_the_place = {k: v for k, v in now.items() if k in GIVEN}
            deployed.put(
                self._aws,
                name,
                code=codes[version.code],
                architectures=version.architectures,
                Handler=version.handler,
                Runtime=version.runtime,
                Timeout=version.timeout,
                MemorySize=version.memory,
                Layers=version.layers,
                Environment={"Variables": {**version.variables, **of_the_place}},
            )
        return f"{len(target.functions)} as deployed at {target.at}"

    def _runs(self, release: Release, releases: Releases) -> bool:
        """Whether every function is as this release left it."""
        return all(each.is_same(releases.running(name)) for name, each in release.functions.items())

    def _codes(self, release: Release, releases: Releases) -> dict[str, bytes]:
        """The code of a release by digest. Raises Stopped if the release cannot be restored."""
        again = f"Check out its commit, and: make deploy STAGE={self._place.stage.name}"
        if gone := [name for name in release.functions if not releases.running(name)]:
            raise Stopped(
                f"The deploy of {release.at} had {', '.join(gone)}, which a later one deleted. "
                f"{again}"
            )
        codes = {digest: releases.code(digest) for digest in release.codes}
        if not all(codes.values()):
            raise Stopped(f"The code of the deploy of {release.at} is not kept any more. {again}")
        if not all(deployed.layer_digest(self._aws, arn) for arn in release.layers):
            raise Stopped(f"The layer of the deploy of {release.at} is deleted. {again}")
        return codes

    def _look(self) -> str:
        issuer = self._place.addresses["ISSUER"]
        return self._ready(self._aws, issuer, self._place.console.progress)
