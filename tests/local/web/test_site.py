"""The built client: what is in it, and how large it is."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local.options import ROOT
from local.web.site import WEB, Site, build

BUDGET = 64_000
"""Bytes of page, script and style until the sign-in page is there: 1.3 s at 400 kbit/s."""


@pytest.fixture(scope="module")
def site() -> Site:
    return build(WEB)


def named_by_the_page(site: Site) -> list[str]:
    found: list[str] = re.findall(r'(?:src|href)="(assets/[^"]+)"', _text(site, "index.html"))
    return found


def _text(site: Site, name: str) -> str:
    return site.files[name].body.decode()


def test_the_first_load_stays_within_its_budget(site: Site) -> None:
    """What is not needed at once is for `import()`, which makes a file of its own of it."""
    sizes = {
        name: len(site.files[name].encoded["br"])
        for name in ["index.html", *named_by_the_page(site)]
    }

    assert sum(sizes.values()) < BUDGET, sizes


def test_the_splash_fits_in_the_first_packets(site: Site) -> None:
    """Ten packets come before the first acknowledgement (RFC 6928)."""
    assert len(site.files["index.html"].body) < 10 * 1460


def test_every_file_with_a_hash_is_one_of_the_assets(site: Site) -> None:
    names = {name for name in site.files if not name.startswith("assets/")}

    assert names == {
        *["index.html", "logo.svg", "maskable.svg", "manifest.webmanifest", "worker.js"]
    }
    for name in site.files.keys() - names:
        assert re.fullmatch(r"assets/[\w.-]+-[0-9A-Z]{8}\.\w+", name)


def test_the_worker_knows_what_every_page_needs_by_what_is_in_it(site: Site) -> None:
    """The rest would take the line of a slow first load; it is kept once it was used."""
    worker = _text(site, "worker.js")

    for name, file in site.files.items():
        if name != "worker.js":
            later = name.startswith("assets/") and name not in named_by_the_page(site)
            assert (f"sha256-{file.digest}" in worker) is not later


def test_one_changed_byte_is_another_version(site: Site, tmp_path: Path) -> None:
    shutil.copytree(WEB, tmp_path / "web")
    with (tmp_path / "web/logo.svg").open("a") as file:
        file.write("\n")

    assert build(tmp_path / "web").files["worker.js"].body != site.files["worker.js"].body
    assert build(WEB).files["worker.js"].body == site.files["worker.js"].body


def test_what_the_script_imports_is_asked_for_at_once(tmp_path: Path) -> None:
    shutil.copytree(WEB, tmp_path / "web")
    main = tmp_path / "web/js/main.js"
    (main.parent / "shared.js").write_text("export const shared = Math.random();")
    (main.parent / "later.js").write_text(
        'import { shared } from "./shared.js"; console.log(shared);'
    )
    with main.open("a") as file:
        file.write('import { shared } from "./shared.js"; import("./later.js"); shared;')

    built = build(tmp_path / "web")

    page = _text(built, "index.html")
    preloaded = re.findall(r'<link rel="modulepreload" href="(assets/[^"]+)">', page)
    assert "Math.random()" in "".join(_text(built, name) for name in preloaded)


def test_development_has_sources_to_read_and_no_worker(site: Site) -> None:
    readable = build(WEB, dev=True, worker=False)

    script = next(name for name in named_by_the_page(readable) if name.endswith(".js"))
    assert "sourceMappingURL=data:" in _text(readable, script)
    assert "sourceMappingURL" not in "".join(map(str, (file.body for file in site.files.values())))
    assert "sha256-" not in _text(readable, "worker.js")


def test_a_folder_for_other_servers_has_the_compressed_forms_beside(
    site: Site, tmp_path: Path
) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "local.web", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    for name, file in site.files.items():
        assert (tmp_path / name).read_bytes() == file.body
        assert (tmp_path / f"{name}.gz").read_bytes() == file.encoded["gzip"]
        assert (tmp_path / f"{name}.br").read_bytes() == file.encoded["br"]
    for name, value in site.headers.items():
        assert f"{name}: {value}\n" in told
