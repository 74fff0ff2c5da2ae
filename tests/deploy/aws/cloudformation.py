"""What a template comes to with given parameters: as much of CloudFormation as ours need."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cfnlint.decode import cfn_yaml

INFRA = Path(__file__).resolve().parents[3] / "infra"
REGION = "us-east-1"
ACCOUNT = "111122223333"
LISTS = ("CommaDelimitedList", "List<")
STACK = "6c3a1f00-0000-11ef-8000-0a1b2c3d4e5f"
ABSENT = object()


class Template:
    """A template as it is written; `with_parameters` says what becomes of it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = INFRA / f"{name}.yaml"
        self.body: dict[str, Any] = cfn_yaml.load(str(self.path))
        self.parameters: dict[str, Any] = self.body["Parameters"]
        self.resources: dict[str, Any] = self.body["Resources"]
        self.outputs: dict[str, Any] = self.body["Outputs"]

    def with_parameters(self, **given: object) -> "Evaluated":
        """Refuses parameters that the template does not have, and needs those without default."""
        unknown = given.keys() - self.parameters.keys()
        missing = {n for n, p in self.parameters.items() if "Default" not in p} - given.keys()
        assert not unknown, f"{self.name} has no parameter {unknown}"
        assert not missing, f"{self.name} needs {missing}"
        defaults = {n: p.get("Default") for n, p in self.parameters.items()}
        return Evaluated(self, {**defaults, **given})


class Evaluated:
    """A template with its parameters. Attributes of resources are `<Resource.Attribute>`."""

    def __init__(self, template: Template, parameters: dict[str, Any]) -> None:
        self.template = template
        self.parameters = {
            name: str(value).split(",") if self._is_list(name) else value
            for name, value in parameters.items()
        }

    def resources(self) -> dict[str, Any]:
        """Those whose condition holds, with their properties evaluated."""
        return {
            name: {**one, "Properties": self.value(one.get("Properties", {}))}
            for name, one in self.template.resources.items()
            if "Condition" not in one or self.holds(one["Condition"])
        }

    def of_type(self, *kinds: str) -> dict[str, Any]:
        return {
            name: one["Properties"]
            for name, one in self.resources().items()
            if one["Type"].endswith(kinds)
        }

    def outputs(self) -> dict[str, Any]:
        return {name: self.value(one["Value"]) for name, one in self.template.outputs.items()}

    def refusals(self) -> list[str]:
        """What the template's rules say against these parameters."""
        return [
            assertion["AssertDescription"]
            for rule in self.template.body.get("Rules", {}).values()
            if self.value(rule.get("RuleCondition", True))
            for assertion in rule["Assertions"]
            if not self.value(assertion["Assert"])
        ]

    def holds(self, condition: str) -> bool:
        return bool(self.value(self.template.body["Conditions"][condition]))

    def value(self, given: Any) -> Any:
        """The value of an expression. Raises KeyError for a function that it does not know."""
        if isinstance(given, list):
            return [v for v in (self.value(one) for one in given) if v is not ABSENT]
        if not isinstance(given, dict):
            return given
        if len(given) == 1:
            [(name, argument)] = given.items()
            if name in ("Ref", "Condition") and isinstance(argument, str):
                return self._ref(argument) if name == "Ref" else self.holds(argument)
            if name.startswith("Fn::"):
                return self._call(name.removeprefix("Fn::"), argument)
        values = {key: self.value(one) for key, one in given.items()}
        return {key: one for key, one in values.items() if one is not ABSENT}

    def _call(self, name: str, argument: Any) -> Any:
        if name == "If":
            condition, then, otherwise = argument
            return self.value(then if self.holds(condition) else otherwise)
        if name == "Sub":
            return self._sub(argument)
        if name == "GetAtt":
            parts = argument if isinstance(argument, list) else argument.split(".")
            return self._attribute(".".join(parts))
        given = self.value(argument)
        functions: dict[str, Callable[[], Any]] = {
            "Equals": lambda: str(given[0]) == str(given[1]),
            "Not": lambda: not given[0],
            "And": lambda: all(given),
            "Or": lambda: any(given),
            "Join": lambda: given[0].join(given[1]),
            "Select": lambda: given[1][int(given[0])],
            "Split": lambda: given[1].split(given[0]),
            "Contains": lambda: given[1] in given[0],
            "GetAZs": lambda: [f"{REGION}{zone}" for zone in "abc"],
            "Cidr": lambda: [f"<cidr {given[0]} {n}>" for n in range(int(given[1]))],
        }
        return functions[name]()

    def _sub(self, argument: Any) -> str:
        text, names = (argument, {}) if isinstance(argument, str) else argument
        values = {name: self.value(one) for name, one in names.items()}

        def put(match: re.Match[str]) -> str:
            name = match[1]
            if name in values:
                return str(values[name])
            return str(self._attribute(name) if "." in name else self._ref(name))

        return re.sub(r"\$\{([^!}]+)\}", put, text)

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return ABSENT
        if name in self.parameters:
            return self.parameters[name]
        known = {
            "AWS::Region": REGION,
            "AWS::AccountId": ACCOUNT,
            "AWS::Partition": "aws",
            "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/parley-dev-x/{STACK}",
        }
        return known[name] if name in known else self._attribute(name)

    def _attribute(self, name: str) -> Any:
        resource, _, attribute = name.partition(".")
        one = self.template.resources[resource]
        assert "Condition" not in one or self.holds(one["Condition"]), f"there is no {resource}"
        if one["Type"].endswith("::Secret"):
            # One with another name is another secret.
            called = self.value(one["Properties"].get("Name", resource))
            return f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{called}-AbCdEf"
        if attribute == "AmqpEndpoints":
            return [f"amqps://b-1.mq.{REGION}.on.aws:5671"]
        if "Endpoint" in attribute or "EndPoint" in attribute:
            return f"{resource.lower()}.{REGION}.amazonaws.com"
        return f"<{name}>"

    def _is_list(self, name: str) -> bool:
        return str(self.template.parameters[name]["Type"]).startswith(LISTS)
