"""What the deploy must know of a CloudFormation template."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from infra.deploy.errors import Stopped


class _Loader(yaml.SafeLoader):
    """Reads `!Ref` and other functions as their plain values and does not evaluate them."""


def _plain(loader: yaml.SafeLoader, _: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.ScalarNode)
    return loader.construct_scalar(node)


_Loader.add_multi_constructor("!", _plain)


@dataclass(frozen=True)
class Template:
    """One of the templates in infra/."""

    path: Path
    text: str
    parameters: dict[str, dict[str, Any]]
    resources: dict[str, str]
    outputs: list[str]

    @classmethod
    def read(cls, path: Path) -> "Template":
        """Read a template: its parameters, the types of its resources by name, its outputs."""
        text = path.read_text()
        document = yaml.load(text, _Loader)  # noqa: S506 (a SafeLoader)
        return cls(
            path=path,
            text=text,
            parameters=document.get("Parameters") or {},
            resources={name: one["Type"] for name, one in document["Resources"].items()},
            outputs=list(document.get("Outputs") or {}),
        )

    @property
    def types(self) -> dict[str, int]:
        """How many resources of each type it describes."""
        return dict(sorted(Counter(self.resources.values()).items()))

    @property
    def capabilities(self) -> list[str]:
        """The capabilities that CloudFormation requires: named roles, if there are roles."""
        roles = any(each.startswith("AWS::IAM::") for each in self.resources.values())
        return ["CAPABILITY_NAMED_IAM"] if roles else []

    def values(self, found: Mapping[str, str], chosen: Mapping[str, str]) -> dict[str, str]:
        """The parameters to give: outputs of other stacks and choices of the stage.

        Raises Stopped for one that the template does not know, or needs and was not given.
        """
        for name in chosen:
            if name not in self.parameters:
                raise Stopped(f"infra/stages.toml: {self.path.name} has no parameter {name}.")
            if name in found:
                raise Stopped(f"infra/stages.toml: {name} of {self.path.name} is not to be chosen.")
        given = {**chosen, **{k: v for k, v in found.items() if k in self.parameters}}
        for name, parameter in self.parameters.items():
            if name not in given and "Default" not in parameter:
                raise Stopped(f"infra/stages.toml must say {name} for {self.path.name}.")
        return given
