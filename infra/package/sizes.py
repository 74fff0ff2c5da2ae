"""The size of a package, by dependency and against Lambda's limits."""

import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from infra.package.staging import staged
from infra.package.zips import Zips

MEGABYTE = 1_000_000
BUDGET_ZIPPED, BUDGET_UNPACKED = 21 * MEGABYTE, 80 * MEGABYTE
LAMBDA_ZIPPED, LAMBDA_UNPACKED = 50 * MEGABYTE, 250 * MEGABYTE
OURS = "our code, and Chalice's"
REST = "migrations"


@dataclass
class Sizes:
    """Bytes by dependency."""

    unpacked: Counter[str] = field(default_factory=Counter)
    zipped: Counter[str] = field(default_factory=Counter)

    @property
    def within_budget(self) -> bool:
        return self.zipped.total() <= BUDGET_ZIPPED and self.unpacked.total() <= BUDGET_UNPACKED


def measure(folder: Path, zips: Zips) -> Sizes:
    """Weigh the zips of a staged folder."""
    about = staged(folder)
    assert about is not None
    sizes = Sizes()
    owner_of = {name: owner for owner, names in about.owners.items() for name in names}
    for path, prefix in ((zips.code, None), (zips.layer, 4)):
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                owner = OURS
                if prefix is not None:
                    name = info.filename.split("/")[prefix]
                    owner = owner_of.get(name) or owner_of.get(_source(name)) or REST
                sizes.unpacked[owner] += info.file_size
                sizes.zipped[owner] += info.compress_size
        # What a zip says of its files beside their contents.
        sizes.zipped["zip directories"] += path.stat().st_size - _contents(path)
    return sizes


def table(sizes: Sizes) -> Iterator[str]:
    """Lines of text, the heaviest first."""
    yield f"  {'MB':34}{'unpacked':>10}{'zipped':>10}"
    for owner, size in sizes.zipped.most_common():
        yield _line(owner, sizes.unpacked[owner], size)
    yield _line("all", sizes.unpacked.total(), sizes.zipped.total())
    yield _line("our budget", BUDGET_UNPACKED, BUDGET_ZIPPED)
    yield _line("Lambda's limit", LAMBDA_UNPACKED, LAMBDA_ZIPPED)


def _line(name: str, unpacked: int, zipped: int) -> str:
    return f"  {name:34}{unpacked / MEGABYTE:10.2f}{zipped / MEGABYTE:10.2f}"


def _source(name: str) -> str:
    return f"{name[:-1]}" if name.endswith(".pyc") else name


def _contents(path: Path) -> int:
    with zipfile.ZipFile(path) as archive:
        return sum(info.compress_size for info in archive.infolist())
