"""Packages, built once a run: the one that deployments have by default, and one that runs here.
An account to deploy into, and servers to run against."""

import fcntl
import json
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import psycopg
import pytest

from infra.deploy import keys
from infra.package import TargetRefused, stage, zips
from infra.package.zips import Zips
from local.servers.postgres import Postgres
from tests.cloud import WIDE, Cloud
from tests.deploy.aws.account import Checkout, Operator, copied, serve, signed_in
from tests.deploy.runtime.deployment import Deployment
from tests.deploy.runtime.function import HERE, VERSION, Unpacked, unpack


class Package(NamedTuple):
    """A staged folder and its zips."""

    folder: Path
    zips: Zips


class Deployed(NamedTuple):
    """A checkout that was deployed, and what was printed then."""

    checkout: Checkout
    output: str


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
    """For this machine and the Python that runs the tests. Nobody changes it: all workers of xdist
    have the same one, which the first that needs it makes."""
    own = tmp_path_factory.getbasetemp()
    shared = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "here"
    shared.mkdir(exist_ok=True)
    made = shared / "made.json"
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            try:
                zips = package(shared / "dev", architecture=HERE, python=VERSION).zips
            except TargetRefused as refusal:
                pytest.skip(f"The package cannot run on this machine: {refusal}")
            made.write_text(json.dumps([str(path) for path in zips]))
    return Package(shared / "dev", Zips(*map(Path, json.loads(made.read_text()))))


@pytest.fixture(scope="session")
def container(here: Package, tmp_path_factory: pytest.TempPathFactory) -> Unpacked:
    """The package laid out as in a Lambda container of this machine."""
    return unpack(here.zips, tmp_path_factory.mktemp("container"))


@pytest.fixture(scope="session")
def first_deploy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """What the first deploy of a stage leaves. Tests use copies of it."""
    with serve(tmp_path_factory.mktemp("moto") / "log") as at:
        with signed_in(at):
            checkout = Checkout(at, tmp_path_factory.mktemp("deployed"))
            output = Operator(checkout).deploy()
        yield Deployed(checkout, output)


@pytest.fixture
def deployed(first_deploy: Deployed, tmp_path: Path) -> Iterator[Checkout]:
    """A stage that was deployed once, to be deployed again or destroyed."""
    with first_deploy.checkout.entered(tmp_path) as own:
        yield own


@pytest.fixture(scope="session")
def account(first_deploy: Deployed) -> Iterator[str]:
    """The address of an empty account. Tests use copies of it. What moto loads for a deploy is
    loaded already."""
    with copied(first_deploy.checkout.account) as own:
        urlopen(Request(f"{own}/moto-api/reset", method="POST"), timeout=300).close()
        yield own


@pytest.fixture
def checkout(account: str, tmp_path: Path) -> Iterator[Checkout]:
    """A stage that was never deployed."""
    with copied(account) as own, signed_in(own):
        yield Checkout(own, tmp_path)


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Servers, queue triggers and FCM. Its own schedules stay still: ours are to do their work."""
    cloud = Cloud(
        tmp_path_factory.mktemp("servers"),
        *["--workers", "1", "--messages", "mongo", "--schedule-seconds", "0"],
        RATE_LIMITS=WIDE,
    )
    with cloud:
        yield cloud


Start = Callable[..., Deployment]


@pytest.fixture(scope="module")
def start(
    cloud: Cloud, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Start]:
    """Starts a deployment, of the package unless another is given, with settings of its own."""
    started: list[Deployment] = []

    def start(
        trace_imports: bool = False, of: Unpacked | None = None, **settings: str
    ) -> Deployment:
        deployment = Deployment(
            of or request.getfixturevalue("container"),
            {
                **cloud.about["environment"],
                "JWT_PUBLIC_KEYS": keys.public(keys.read(cloud.about["environment"]["JWT_KEYS"])),
                "STAGE": "dev",
                "RATE_LIMITS": WIDE,
                **settings,
            },
            tmp_path_factory.mktemp("logs"),
            trace_imports=trace_imports,
        )
        started.append(deployment)
        return deployment

    yield start
    for deployment in started:
        deployment.stop()


@pytest.fixture
def empty(cloud: Cloud) -> Iterator[dict[str, str]]:
    """The addresses of two databases that are new."""
    urls = cloud.about["environment"]
    name = f"test_{secrets.token_hex(4)}"
    with psycopg.connect(urls["POSTGRES_URL"], autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        yield {
            variable: urlsplit(urls[variable])._replace(path=f"/{name}").geturl()
            for variable in ("POSTGRES_URL", "MESSAGES_URL")
        }
    port = urlsplit(urls["POSTGRES_URL"]).port or 5432
    administration = Postgres.administration(port, cloud.state)
    with psycopg.connect(administration, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
        connection.execute("DROP ROLE IF EXISTS parley_app_9")
        connection.execute("DROP ROLE IF EXISTS parley_app")
