"""Installs the pinned requirements for Lambda's platform, whatever machine this is."""

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from infra.package.targets import Target

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)
_NO_WHEEL = re.compile(r"No matching distribution found for (\S+)")


class NotInstalled(Exception):
    """A requirement is missing from the package; the text says which one, and why."""


def install(target: Target, requirements: Path, folder: Path) -> None:
    """Put exactly the pinned requirements into a folder, hashes checked, nothing built.

    Raises NotInstalled, also where pip leaves something out without calling it an error.
    """
    done = _pip(target, requirements, "--target", str(folder))
    if done.returncode != 0:
        raise NotInstalled(_problem(target, done.stdout))
    installed = {
        _normal(found.metadata["Name"]): found.version
        for found in metadata.distributions(path=[str(folder)])
    }
    wanted = pins(requirements)
    if left_out := sorted(name for name in wanted if installed.get(name) != wanted[name]):
        raise NotInstalled(f"pip did not install {', '.join(left_out)}.")


def resolve(target: Target, requirements: Path) -> None:
    """Find a wheel for every requirement without installing any. Raises NotInstalled."""
    done = _pip(target, requirements, "--dry-run", "--target", "unused")
    if done.returncode != 0:
        raise NotInstalled(_problem(target, done.stdout))


def pins(requirements: Path) -> dict[str, str]:
    """Versions by name, both as the file has them."""
    return {_normal(name): version for name, version in _PIN.findall(requirements.read_text())}


def owners(folder: Path) -> dict[str, list[str]]:
    """The top-level names that each distribution put into a folder."""
    return {
        f"{_normal(found.metadata['Name'])} {found.version}": sorted(
            {file.parts[0] for file in found.files or () if file.parts[0] not in ("..", "bin")}
        )
        for found in metadata.distributions(path=[str(folder)])
    }


def _pip(target: Target, requirements: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "install", *more, "-r", str(requirements)]
    command += ["--quiet", "--no-input", "--disable-pip-version-check", "--no-compile"]
    command += ["--progress-bar=off", "--no-deps", "--require-hashes", "--only-binary=:all:"]
    command += ["--implementation=cp", f"--python-version={target.python}", f"--abi={target.abi}"]
    command += [f"--platform={platform}" for platform in target.platforms]
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def _problem(target: Target, output: str) -> str:
    lines = [line for line in output.splitlines() if not line.startswith("WARNING")]
    said = "\n".join(f"    {line}" for line in lines[-8:])
    if missing := _NO_WHEEL.search(output):
        return f"{missing[1]} has no wheel for {target.runtime} on {target.architecture}:\n{said}"
    return f"pip could not install the requirements:\n{said}"


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
