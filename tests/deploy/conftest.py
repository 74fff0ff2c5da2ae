"""Packages, built once a run: the one that deployments have by default, and one that runs here."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from infra.package import TargetRefused, stage, zips
from infra.package.zips import Zips
from tests.deploy.account import Checkout, new, serve
from tests.deploy.function import HERE, VERSION, Unpacked, unpack


class Package(NamedTuple):
    """A staged folder and its zips."""

    folder: Path
    zips: Zips


def package(folder: Path, *, architecture: str, python: str, root: Path | None = None) -> Package:
    """Stage and zip."""
    if root is None:
        stage(folder, architecture=architecture, python=python)
    else:
        stage(folder, architecture=architecture, python=python, root=root)
    return Package(folder, zips.build(folder))


@pytest.fixture(scope="session")
def default(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """For arm64 and Python 3.13, whatever runs the tests."""
    folder = tmp_path_factory.mktemp("default") / "dev"
    return package(folder, architecture="arm64", python="3.13")


@pytest.fixture(scope="session")
def here(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """For this machine and the Python that runs the tests."""
    try:
        return package(tmp_path_factory.mktemp("here") / "dev", architecture=HERE, python=VERSION)
    except TargetRefused as refusal:
        pytest.skip(f"The package cannot run on this machine: {refusal}")


@pytest.fixture(scope="session")
def container(here: Package, tmp_path_factory: pytest.TempPathFactory) -> Unpacked:
    """The package laid out as in a Lambda container of this machine."""
    return unpack(here.zips, tmp_path_factory.mktemp("container"))


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Credentials of an account of moto's; answers where its interface to tests is."""
    with (
        pytest.MonkeyPatch.context() as patch,
        serve(tmp_path_factory.mktemp("moto") / "log") as at,
    ):
        for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN"):
            patch.delenv(name, raising=False)
        patch.setenv("AWS_CONFIG_FILE", "/nonexistent")
        patch.setenv("AWS_ENDPOINT_URL", at)
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        yield f"{at}/moto-api"


@pytest.fixture
def checkout(account: str, tmp_path: Path) -> Checkout:
    return new(account, tmp_path)
