"""Fills a project folder that Chalice takes as it is."""

import hashlib
import inspect
import json
import os
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import chalice
import chalice.app

from infra.package import bytecode, dependencies
from infra.package.targets import Target
from infra.package.trimming import trim

ROOT = Path(__file__).resolve().parents[2]
RECORD = "staged.json"
RUNTIME = "runtime"
VENDOR = "vendor"
_TASK = "/var/task"
_LAYER = "/opt/python/lib/{runtime}/site-packages"
_TIME = 315532800  # 1980-01-01, the first day of zip files
_KEPT = ".chalice"


@dataclass(frozen=True)
class Staged:
    """What a folder was made for, and from what."""

    architecture: str
    python: str
    compiled: bool
    code: str
    owners: dict[str, list[str]]

    @property
    def target(self) -> Target:
        return Target(self.architecture, self.python)


def stage(folder: Path, *, architecture: str, python: str, root: Path = ROOT) -> None:
    """Put app.py, chalicelib/, vendor/ and an empty requirements.txt into a folder.

    All of it is new, except `.chalice`, which is left as it is; a folder that was there stays as
    it was if this fails. Dependencies and bytecode are for the architecture and Python version
    given (`3.13`, `python3.13`). Where this machine lacks that Python there is no bytecode,
    and functions start more slowly. Raises TargetRefused, NotInstalled and NotCompiled.
    """
    target = Target.of(architecture, python)
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        _copy_code(root, new)
        vendor = new / VENDOR
        dependencies.install(target, root / "requirements.txt", vendor)
        owners = dependencies.owners(vendor)
        trim(vendor)
        _copy_migrations(root, vendor)
        compiler = bytecode.interpreter(target)
        if compiler is not None:
            _compile(compiler, target, new)
        (new / "requirements.txt").touch()
        staged = Staged(
            target.architecture, target.python, compiler is not None, code_digest(new), owners
        )
        (new / RECORD).write_text(json.dumps(asdict(staged), indent=2, sort_keys=True))
        _settle(new)
        _replace(folder, new)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def staged(folder: Path) -> Staged | None:
    """What `stage` noted in a folder; None if it did not make it."""
    record = folder / RECORD
    return Staged(**json.loads(record.read_text())) if record.exists() else None


def code_digest(folder: Path) -> str:
    """Tells one version of our own code from another."""
    digest = hashlib.sha256()
    for path in sorted([folder / "app.py", *(folder / "chalicelib").rglob("*.py")]):
        digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _copy_code(root: Path, new: Path) -> None:
    shutil.copyfile(root / "app.py", new / "app.py")
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(root / "chalicelib", new / "chalicelib", ignore=ignored)
    # The part of Chalice that runs in Lambda, here so that it is compiled with the rest.
    runtime = new / RUNTIME / "chalice"
    runtime.mkdir(parents=True)
    for module in (chalice, chalice.app):
        source = Path(inspect.getfile(module))
        shutil.copyfile(source, runtime / source.name)


def _copy_migrations(root: Path, vendor: Path) -> None:
    infra = vendor / "infra"
    (infra / "migrations").mkdir(parents=True)
    shutil.copyfile(root / "infra" / "__init__.py", infra / "__init__.py")
    for migration in (root / "infra" / "migrations").glob("*.sql"):
        shutil.copyfile(migration, infra / "migrations" / migration.name)


def _compile(python: str, target: Target, new: Path) -> None:
    place = _LAYER.format(runtime=target.runtime)
    bytecode.compile_alone(python, new / VENDOR, place=place)
    bytecode.compile_beside(python, new / RUNTIME, place=_TASK)
    bytecode.compile_beside(python, new / "chalicelib", place=f"{_TASK}/chalicelib")
    bytecode.compile_beside(python, new / "app.py", place=_TASK)


def _settle(new: Path) -> None:
    for path in [new, *new.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (_TIME, _TIME))


def _replace(folder: Path, new: Path) -> None:
    if (folder / _KEPT).exists():
        (folder / _KEPT).rename(new / _KEPT)
        shutil.rmtree(new / _KEPT / "deployments", ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    new.rename(folder)
