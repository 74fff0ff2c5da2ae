"""The commands that the manual prints run as they are printed."""

import re
import shlex
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name

from infra.deploy.project import ROOT

OWN = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
PAGES = [*OWN, *sorted((ROOT / "docs").glob("**/*.md"))]
MADE_BY_THE_CLI = {("logs", "tail"), ("sso", "login"), ("s3", "rm")}
FOR_ALL = {"--query", "--region", "--output", "--profile", "--cli-binary-format"}
MAKEFILE = (ROOT / "Makefile").read_text()


def commands(page: Path, program: str) -> list[str]:
    """What stands in code blocks and between backticks, without comments, lines put together."""
    text = page.read_text()
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    plain = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)
    lines += [" ".join(each.split()) for each in re.findall(r"`([^`]+)`", plain)]
    begun = (re.sub(r"\s#\s.*", "", line).strip() for line in lines)
    return [line for line in begun if line.startswith(f"{program} ")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_targets_of_make_exist_and_take_these_variables(page: Path) -> None:
    for line in commands(page, "make"):
        target, *given = shlex.split(line.replace("…", "x"))[1:]
        assert f"\n{target}:" in MAKEFILE, line
        for each in given:
            name, _, _ = each.partition("=")
            assert f"$({name})" in MAKEFILE or f"$(if $({name})," in MAKEFILE, line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_for_aws_have_operations_and_options_that_exist(page: Path) -> None:
    session = botocore.session.get_session()
    for line in commands(page, "aws"):
        service, operation, *given = shlex.split(line.replace("<", "").replace(">", ""))[1:]
        if (service, operation) in MADE_BY_THE_CLI:
            continue
        model = session.get_service_model(service)
        names = {xform_name(name, "-"): name for name in model.operation_names}
        assert operation in names, line
        shape = model.operation_model(names[operation]).input_shape
        assert shape is not None
        known = {f"--{xform_name(name, '-')}" for name in shape.members}
        required = {f"--{xform_name(name, '-')}" for name in shape.required_members}
        options = {each for each in given if each.startswith("--")}
        positive = {each.replace("--no-", "--", 1) for each in options}
        assert positive - FOR_ALL <= known, line
        assert required <= options, line


def test_a_module_of_ours_is_run_by_the_python_that_has_what_it_needs() -> None:
    for name in ("README.md", "docs/operations.md"):
        assert commands(ROOT / name, "python") == []
