"""The configuration of the functions in .chalice/, and its filled-in copy for one deploy."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from infra.deploy.errors import Stopped

ROOT = Path(__file__).resolve().parent.parent.parent
APP = "parley"


@dataclass(frozen=True)
class Function:
    """One function of a stage as .chalice/config.json configures it."""

    key: str
    name: str
    memory: int
    timeout: int
    concurrency: int | None
    policy: str

    @property
    def log_group(self) -> str:
        return f"/aws/lambda/{self.name}"


class Project:
    """The Chalice project in a checkout."""

    def __init__(self, stage: str, root: Path = ROOT) -> None:
        self.stage = stage
        self._folder = root / ".chalice"
        self._config = json.loads((self._folder / "config.json").read_text())
        if stage not in self._config["stages"]:
            raise Stopped(f".chalice/config.json has no stage {stage!r}.")

    @property
    def functions(self) -> list[Function]:
        """All functions, with the names that Chalice gives them."""
        return [
            Function(
                key=key,
                # Chalice names the function of the REST API after the stage only.
                name=self.named("" if key == "api_handler" else key),
                memory=given["lambda_memory_size"],
                timeout=given["lambda_timeout"],
                concurrency=given.get("reserved_concurrency"),
                policy=given["iam_policy_file"],
            )
            for key, given in self._config["stages"][self.stage]["lambda_functions"].items()
        ]

    def function(self, key: str) -> Function:
        """The function of that name."""
        return next(each for each in self.functions if each.key == key)

    def named(self, what: str = "") -> str:
        """A name that only this stage uses."""
        return f"{APP}-{self.stage}-{what}" if what else f"{APP}-{self.stage}"

    def policy(self, function: Function) -> dict[str, Any]:
        """A function's policy, with its placeholders."""
        return dict(json.loads((self._folder / function.policy).read_text()))

    def secrets(self, function: Function) -> list[str]:
        """The secrets that a function reads its settings from, as its policy names them."""
        (statement,) = (
            each for each in self.policy(function)["Statement"] if each["Sid"] == "OurSecrets"
        )
        return [each.strip("${}") for each in statement["Resource"]]

    def filled_policy(self, function: Function, values: Mapping[str, str]) -> str:
        """A function's policy with values filled in. Raises Stopped if a value is missing."""
        text = Template((self._folder / function.policy).read_text())
        quoted = {name: json.dumps(value)[1:-1] for name, value in values.items()}
        try:
            return text.substitute(quoted, FUNCTION=function.name)
        except KeyError as error:
            raise Stopped(f".chalice/{function.policy}: nothing fills in {error}.") from None

    def fill(
        self,
        folder: Path,
        *,
        values: Mapping[str, str],
        environments: Mapping[str, Mapping[str, str]],
        architecture: str,
        subnet_ids: Sequence[str],
        security_group_ids: Sequence[str],
        reserve: bool = True,
    ) -> None:
        """Write the configuration, and for each function an environment and a policy, into a
        packaged project. `reserve`: whether concurrency is reserved as it says."""
        target = folder / ".chalice"
        target.mkdir(parents=True, exist_ok=True)
        config = json.loads(json.dumps(self._config))
        config["stages"] = {self.stage: config["stages"][self.stage]}
        config["stages"][self.stage] |= {
            "lambda_architecture": architecture,
            "subnet_ids": list(subnet_ids),
            "security_group_ids": list(security_group_ids),
        }
        for function in self.functions:
            name = f"policy-{function.key}.json"
            (target / name).write_text(self.filled_policy(function, values))
            own = config["stages"][self.stage]["lambda_functions"][function.key]
            own["iam_policy_file"] = name
            own["environment_variables"] = dict(environments[function.key])
            if not reserve:
                own.pop("reserved_concurrency", None)
        (target / "config.json").write_text(json.dumps(config, indent=2))
