"""The last deploys of a stage: what `make rollback` needs to restore one.

Kept in the artifacts bucket: the functions' code, and for each function its layer and the settings
that belong to its code. Addresses and secrets belong to the stage and are not kept.
"""

import base64
import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError
from pydantic import BaseModel, TypeAdapter

from infra.deploy.aws import Aws, code_of
from infra.deploy.functions import deployed
from infra.deploy.project import Project
from infra.deploy.stages import GIVEN
from infra.deploy.state import Artifacts

KEPT = 3


class Version(BaseModel):
    """One function as a deploy left it."""

    handler: str
    runtime: str
    architectures: list[str]
    memory: int
    timeout: int
    layers: list[str]
    variables: dict[str, str]
    code: str

    @classmethod
    def of(cls, found: dict[str, Any]) -> "Version":
        """As Lambda describes the function."""
        variables = found.get("Environment", {}).get("Variables", {})
        return cls(
            handler=found["Handler"],
            runtime=found["Runtime"],
            architectures=found["Architectures"],
            memory=found["MemorySize"],
            timeout=found["Timeout"],
            layers=[each["Arn"] for each in found.get("Layers", [])],
            variables={k: v for k, v in variables.items() if k not in GIVEN},
            code=found["CodeSha256"],
        )

    def is_same(self, other: "Version | None") -> bool:
        """Whether another one has the same code and layer; settings may differ."""
        return other is not None and (self.code, self.layers) == (other.code, other.layers)


class Release(BaseModel):
    """All functions as a deploy left them, by name."""

    at: str
    functions: dict[str, Version]

    @property
    def layers(self) -> set[str]:
        """The versions of the layer that they use."""
        return {layer for each in self.functions.values() for layer in each.layers}

    @property
    def codes(self) -> set[str]:
        """The digests of their code."""
        return {each.code for each in self.functions.values()}


_Releases = TypeAdapter(list[Release])


class Releases:
    """Those that are kept, the newest last."""

    def __init__(self, aws: Aws, artifacts: Artifacts, project: Project) -> None:
        self._aws = aws
        self._artifacts = artifacts
        self._project = project
        self._list = f"releases/{project.stage}.json"

    def read(self) -> list[Release]:
        """All that are kept."""
        found = self._artifacts.load(self._list)
        return _Releases.validate_json(found) if found else []

    def add(self, code: bytes) -> None:
        """Keep what runs now, and delete code and layers of releases that are too old."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        running = {each.name: self.running(each.name) for each in self._project.functions}
        newest = Release(at=now, functions={k: v for k, v in running.items() if v})
        digest = base64.b64encode(hashlib.sha256(code).digest()).decode()
        self._artifacts.save(_key(digest), code)
        kept = self.read()
        if kept and self._repeats(newest, kept[-1]):
            kept.pop()
        self.write([*kept, newest])
        layers = {layer for each in self.read() for layer in each.layers}
        deployed.prune_layers(self._aws, self._project, keep=layers)

    def write(self, releases: list[Release]) -> None:
        """Keep the newest of these, and delete the code of all others."""
        before, kept = self.read(), releases[-KEPT:]
        text = json.dumps([each.model_dump() for each in kept], indent=2)
        self._artifacts.save(self._list, text.encode())
        for digest in _codes(before) - _codes(kept):
            self._artifacts.drop(_key(digest))

    def code(self, digest: str) -> bytes:
        """The zip with this digest. Empty if it is not kept."""
        return self._artifacts.load(_key(digest))

    def _repeats(self, newest: Release, before: Release) -> bool:
        """Whether a deploy changed nothing. A repeated deploy must not push the release before it
        out of the list. Its layer has a new number, so contents are compared."""
        if newest.functions.keys() != before.functions.keys():
            return False
        digests = {arn: deployed.layer_digest(self._aws, arn) for arn in before.layers}
        digests |= {arn: deployed.layer_digest(self._aws, arn) for arn in newest.layers}

        def content(version: Version) -> Version:
            return version.model_copy(update={"layers": [digests[arn] for arn in version.layers]})

        return all(
            content(each) == content(before.functions[name])
            for name, each in newest.functions.items()
        )

    def running(self, name: str) -> Version | None:
        """A function as it is now; None if there is none."""
        try:
            found = self._aws.client("lambda").get_function_configuration(FunctionName=name)
        except ClientError as error:
            if code_of(error) != "ResourceNotFoundException":
                raise
            return None
        return Version.of(found)


def _codes(releases: list[Release]) -> set[str]:
    return {digest for each in releases for digest in each.codes}


def _key(digest: str) -> str:
    return f"releases/{base64.b64decode(digest).hex()}.zip"
