"""The package is small, complete, fit for its target, and the same every time."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from chalice.deploy.packager import MissingDependencyError
from chalice.deploy.packager import Package as Requirement

from infra.package import NotInstalled, TargetRefused, dependencies, sizes, stage, staging, zips
from infra.package.targets import MACHINES, Target
from infra.package.zips import Outdated
from tests.deploy.conftest import Package, package
from tests.deploy.runtime.function import HERE, VERSION, Unpacked, run

REQUIREMENTS = staging.ROOT / "requirements.txt"
ELF_MACHINES = {"arm64": 183, "x86_64": 62}

IMPORT_ALL = """
import importlib, json, pkgutil, sys
import app, chalicelib
for module in pkgutil.walk_packages(chalicelib.__path__, "chalicelib."):
    importlib.import_module(module.name)
from yoyo.backends.base import get_backend_class
get_backend_class("postgresql+psycopg")
import zxcvbn.frequency_lists
modules = [vars(module) for module in sys.modules.values() if vars(module).get("__file__")]
print(json.dumps([[module["__file__"], module.get("__cached__")] for module in modules]))
"""


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def contents(path: Path) -> dict[str, int]:
    """Checksums by name, in the order of the archive."""
    with zipfile.ZipFile(path) as archive:
        return {info.filename: info.CRC for info in archive.infolist()}


def machines(layer: Path) -> dict[str, int]:
    """What processor each compiled module is for, from its header."""
    with zipfile.ZipFile(layer) as archive:
        return {
            name: int.from_bytes(archive.read(name)[18:20], "little")
            for name in archive.namelist()
            if ".so" in Path(name).name
        }


@pytest.mark.parametrize("which", ["default", "here"])
def test_is_within_its_budget(which: str, request: pytest.FixtureRequest) -> None:
    made: Package = request.getfixturevalue(which)

    weighed = sizes.measure(made.folder, made.zips)

    assert weighed.zipped.total() == sum(path.stat().st_size for path in made.zips)
    assert weighed.zipped.total() <= 21_000_000
    assert weighed.unpacked.total() <= 80_000_000
    assert weighed.within_budget


@pytest.mark.parametrize(("which", "architecture"), [("default", "arm64"), ("here", HERE)])
def test_compiled_modules_are_for_the_architecture(
    which: str, architecture: str, request: pytest.FixtureRequest
) -> None:
    found = machines(request.getfixturevalue(which).zips.layer)

    assert len(found) > 10
    assert set(found.values()) == {ELF_MACHINES[architecture]}


def test_holds_every_pinned_requirement(default: Package) -> None:
    about = staging.staged(default.folder)

    assert about is not None
    owners = {tuple(owner.split(" ")) for owner in about.owners}
    assert owners == set(dependencies.pins(REQUIREMENTS).items())


def test_holds_the_migrations_and_nothing_else_of_infra(default: Package) -> None:
    prefix = "python/lib/python3.13/site-packages/infra/"
    found = {
        name.removeprefix(prefix).replace("__init__.pyc", "__init__.py")
        for name in contents(default.zips.layer)
        if name.startswith(prefix)
    }

    migrations = (staging.ROOT / "infra" / "migrations").glob("*.sql")
    assert found == {"__init__.py", *(f"migrations/{path.name}" for path in migrations)}


def test_all_of_the_app_can_be_imported_from_it_alone(container: Unpacked) -> None:
    files = json.loads(run(container, IMPORT_ALL))

    ours = tuple(map(str, container))
    standard = (sys.base_prefix, os.path.realpath(sys.base_prefix))
    assert not [file for file, _ in files if not file.startswith((*ours, *standard))]


def test_no_start_compiles_any_of_it(container: Unpacked) -> None:
    files = json.loads(run(container, IMPORT_ALL))

    ours = [pair for pair in files if pair[0].startswith((str(container.task), str(container.opt)))]
    assert len(ours) > 500
    assert not [
        file
        for file, cached in ours
        if not (file.endswith(".pyc") or ".so" in file or (cached and Path(cached).exists()))
    ]


def test_a_second_build_elsewhere_has_the_same_bytes_but_for_what_was_changed(
    here: Package, tmp_path: Path
) -> None:
    root = tmp_path / "checkout"
    for name in ("chalicelib", "infra"):
        shutil.copytree(staging.ROOT / name, root / name)
    for name in ("app.py", "requirements.txt"):
        shutil.copyfile(staging.ROOT / name, root / name)
    with (root / "app.py").open("a") as code:
        code.write("\nCHANGED = True\n")
    mask = os.umask(0o077)
    try:
        other = package(
            tmp_path / "elsewhere" / "prod", architecture=HERE, python=VERSION, root=root
        )
    finally:
        os.umask(mask)

    assert digest(other.zips.layer) == digest(here.zips.layer)
    before, after = contents(here.zips.code), contents(other.zips.code)
    assert list(after) == list(before)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"app.py", f"__pycache__/app.{Target.of(HERE, VERSION).cache_tag}.pyc"}


@pytest.fixture(scope="module")
def packaged(
    default: Package, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """What `chalice package` makes of a staged folder: zips, and the template."""
    folder = tmp_path_factory.mktemp("project") / "dev"
    shutil.copytree(default.folder, folder, ignore=shutil.ignore_patterns(".chalice"))
    config = {
        "version": "2.0",
        "app_name": "parley",
        "stages": {
            "dev": {
                "automatic_layer": True,
                "autogen_policy": False,
                "iam_policy_file": "policy-dev.json",
                "lambda_architecture": "arm64",
            }
        },
    }
    (folder / ".chalice").mkdir()
    (folder / ".chalice" / "config.json").write_text(json.dumps(config))
    policy = {"Version": "2012-10-17", "Statement": []}
    (folder / ".chalice" / "policy-dev.json").write_text(json.dumps(policy))
    subprocess.run(
        [sys.executable, "-m", "infra.package.chalice", "package", "--stage", "dev", "out"],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(staging.ROOT),
            "AWS_DEFAULT_REGION": "us-east-1",
        },
        check=True,
        capture_output=True,
    )
    return folder, json.loads((folder / "out" / "sam.json").read_text())


class TestChalice:
    def test_makes_the_same_zips(
        self, packaged: tuple[Path, dict[str, Any]], default: Package
    ) -> None:
        out = packaged[0] / "out"

        assert digest(out / "deployment.zip") == digest(default.zips.code)
        assert digest(out / "layer-deployment.zip") == digest(default.zips.layer)

    def test_names_the_runtime_and_the_architecture_that_were_staged(
        self, packaged: tuple[Path, dict[str, Any]]
    ) -> None:
        functions = [
            resource["Properties"]
            for resource in packaged[1]["Resources"].values()
            if resource["Type"] == "AWS::Serverless::Function"
        ]

        assert len(functions) >= 8
        assert {function["Runtime"] for function in functions} == {"python3.13"}
        assert {tuple(function["Architectures"]) for function in functions} == {("arm64",)}

    def test_writes_nothing_into_what_is_zipped(
        self, packaged: tuple[Path, dict[str, Any]], default: Package
    ) -> None:
        def files(folder: Path) -> set[Path]:
            found = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
            return {path for path in found if path.parts[0] not in (".chalice", "out")}

        assert files(packaged[0]) == files(default.folder)

    def test_fails_where_a_dependency_is_missing(self, tmp_path: Path) -> None:
        class Builder:
            def build_site_packages(self, *_: str) -> None:
                (tmp_path / "lost-1.0.tar.gz").touch()
                raise MissingDependencyError(
                    {Requirement(str(tmp_path), "lost-1.0-py3-none-any.whl")}
                )

        packager = zips._CodePackager(None, Builder(), None)  # type: ignore[arg-type]
        with pytest.raises(NotInstalled, match=r"lost==1\.0"):
            packager._build_python_dependencies("python3.13", "requirements.txt", "nowhere")


class TestStaging:
    def test_keeps_what_chalice_knows_of_a_deployment(
        self, here: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tmp_path / "dev"
        (folder / ".chalice" / "deployed").mkdir(parents=True)
        (folder / ".chalice" / "deployed" / "dev.json").write_text("{}")
        (folder / "stale.py").touch()
        _skip_installing(monkeypatch)

        stage(folder, architecture=HERE, python=VERSION)

        assert (folder / ".chalice" / "deployed" / "dev.json").read_text() == "{}"
        assert not (folder / "stale.py").exists()

    def test_a_failure_leaves_the_folder_as_it_was(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tmp_path / "dev"
        folder.mkdir()
        (folder / "app.py").write_text("old")

        def fail(*_: object) -> None:
            raise NotInstalled("No network.")

        monkeypatch.setattr(dependencies, "install", fail)
        with pytest.raises(NotInstalled):
            stage(folder, architecture="arm64", python="3.13")

        assert (folder / "app.py").read_text() == "old"
        assert [path.name for path in tmp_path.iterdir()] == ["dev"]

    def test_code_that_was_changed_since_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tmp_path / "dev"
        _skip_installing(monkeypatch)
        stage(folder, architecture=HERE, python=VERSION)
        (folder / "app.py").write_text("print('other code than the bytecode beside it')")

        with pytest.raises(Outdated, match="Stage it again"):
            zips.build(folder)

    def test_without_the_targets_python_there_are_sources_and_no_bytecode(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tmp_path / "dev"
        _skip_installing(monkeypatch)
        monkeypatch.setattr("infra.package.bytecode.interpreter", lambda target: None)

        stage(folder, architecture="arm64", python="3.13")

        about = staging.staged(folder)
        assert about is not None
        assert not about.compiled
        assert not list(folder.rglob("*.pyc"))


class TestTargets:
    @pytest.mark.parametrize(
        ("architecture", "python", "reason"),
        [
            ("mips", "3.13", "arm64 and x86_64"),
            ("arm64", "3.14", r"3\.11, 3\.12 and 3\.13"),
            ("arm64", "python3.11", r"psycopg-binary .* Take python3\.12 or python3\.13"),
        ],
    )
    def test_what_cannot_work_is_refused_with_its_reason(
        self, architecture: str, python: str, reason: str, tmp_path: Path
    ) -> None:
        with pytest.raises(TargetRefused, match=reason):
            stage(tmp_path / "dev", architecture=architecture, python=python)

        assert not list(tmp_path.iterdir())

    def test_all_others_have_a_wheel_of_every_requirement(self) -> None:
        targets = [
            Target.of(architecture, python)
            for architecture in MACHINES
            for python in ("3.11", "3.12", "3.13")
            if (architecture, python) not in {("arm64", "3.11"), ("arm64", "3.13"), (HERE, VERSION)}
        ]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda target: dependencies.resolve(target, REQUIREMENTS), targets))

    def test_the_refused_one_really_lacks_a_wheel(self) -> None:
        with pytest.raises(NotInstalled, match="psycopg-binary"):
            dependencies.resolve(Target("arm64", "3.11"), REQUIREMENTS)


def test_a_requirement_that_pip_passes_over_is_missed(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    pinned = REQUIREMENTS.read_text()
    start = pinned.index("zipp==")
    zipp = pinned[start : pinned.find("\nzxcvbn", start)]
    requirements.write_text(zipp.replace(" \\", ' ; sys_platform == "win32" \\', 1))

    with pytest.raises(NotInstalled, match="zipp"):
        dependencies.install(Target.of("arm64", "3.13"), requirements, tmp_path / "vendor")


def test_a_requirement_whose_hash_differs_is_refused(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(f"zipp==4.1.2 --hash=sha256:{'0' * 64}\n")

    with pytest.raises(NotInstalled, match=r"(?i)hash"):
        dependencies.install(Target.of("arm64", "3.13"), requirements, tmp_path / "vendor")


def _skip_installing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dependencies are an empty folder, for what does not depend on them."""

    def install(target: Target, requirements: Path, folder: Path) -> None:
        folder.mkdir()

    monkeypatch.setattr(dependencies, "install", install)
    monkeypatch.setattr(staging, "trim", lambda folder: None)
