"""Chalice's zips, the same bytes for the same contents: of the code, and of its layer."""

import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from chalice.config import Config
from chalice.deploy.packager import (
    AppOnlyDeploymentPackager,
    BaseLambdaDeploymentPackager,
    DependencyBuilder,
    LayerDeploymentPackager,
    MissingDependencyError,
)
from chalice.utils import UI, ChaliceZipFile, OSUtils

from infra.package.dependencies import NotInstalled
from infra.package.staging import RUNTIME, code_digest, staged


class Outdated(Exception):
    """Code was changed after it was staged, so that its bytecode does not match."""


class Zips(NamedTuple):
    """What is uploaded: the functions' code, and the layer that all of them share."""

    code: Path
    layer: Path


def build(folder: Path) -> Zips:
    """Zip a staged folder as `chalice deploy` does."""
    about = staged(folder)
    if about is None:
        raise FileNotFoundError(f"{folder} was not staged.")
    files = _SameFiles()
    builder = DependencyBuilder(files, architecture=about.architecture)
    made = (
        packager(
            files, builder, UI(out=io.StringIO()), about.architecture
        ).create_deployment_package(str(folder), about.target.runtime)
        for packager in (_CodePackager, _LayerPackager)
    )
    return Zips(*map(Path, made))


def patch_chalice() -> None:
    """Have Chalice make its zips like this, for the rest of this process.

    What is staged is also what decides the runtime: Chalice would take the version of the Python
    that it runs on.
    """
    running: property = vars(Config)["lambda_python_version"]

    def runtime(config: Config) -> Any:
        about = staged(Path(config.project_dir))
        return about.target.runtime if about else running.__get__(config)

    setattr(Config, "lambda_python_version", property(runtime))  # noqa: B010
    for name in ("walk", "open_zip"):
        setattr(OSUtils, name, getattr(_SameFiles, name))
    for name in ("_iter_app_filenames", "_build_python_dependencies"):
        setattr(BaseLambdaDeploymentPackager, name, getattr(_Packager, name))


class _SameZip(ChaliceZipFile):
    """Chalice fixes the times; permissions come from the umask."""

    def _create_zipinfo(
        self, filename: Any, arcname: Any, compress_type: int | None
    ) -> zipfile.ZipInfo:
        info = super()._create_zipinfo(filename, arcname, compress_type)
        info.external_attr = 0o100644 << 16
        return info


class _SameFiles(OSUtils):
    """Chalice's files come in the order of the disk."""

    def walk(
        self, path: str, followlinks: bool = False
    ) -> Iterator[tuple[str, list[str], list[str]]]:
        for folder, folders, files in os.walk(path, followlinks=followlinks):
            folders.sort()
            yield folder, folders, sorted(files)

    def open_zip(
        self, filename: str, mode: str, compression: int = zipfile.ZIP_DEFLATED
    ) -> zipfile.ZipFile:
        return _SameZip(filename, mode, compression=compression, osutils=self)


class _Packager(BaseLambdaDeploymentPackager):
    def _iter_app_filenames(self, project_dir: str) -> Iterator[tuple[str, str]]:
        """The files of the code's zip: Chalice's own would leave bytecode out."""
        folder = Path(project_dir)
        about = staged(folder)
        if about is None:
            yield from _STOCK_FILES(self, project_dir)
            return
        if code_digest(folder) != about.code:
            raise Outdated(f"The code in {folder} was changed after it was staged. Stage it again.")
        for root, pattern in (
            (folder / RUNTIME, "**/*"),
            (folder, "app.py"),
            (folder, f"__pycache__/app.{about.target.cache_tag}.pyc"),
            (folder, "chalicelib/**/*"),
        ):
            for path in sorted(root.glob(pattern)):
                if path.is_file():
                    yield str(path), str(path.relative_to(root))

    def _build_python_dependencies(
        self, python_version: str, requirements_filepath: str, site_packages_dir: str
    ) -> None:
        """Chalice would say what is missing, and deploy without it."""
        try:
            self._dependency_builder.build_site_packages(
                self._RUNTIME_TO_ABI[python_version], requirements_filepath, site_packages_dir
            )
        except MissingDependencyError as error:
            missing = ", ".join(sorted(package.identifier for package in error.missing))
            raise NotInstalled(f"Could not install {missing}.") from None


_STOCK_FILES = BaseLambdaDeploymentPackager._iter_app_filenames


class _CodePackager(_Packager, AppOnlyDeploymentPackager):
    pass


class _LayerPackager(_Packager, LayerDeploymentPackager):
    pass
