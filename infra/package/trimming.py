"""Takes out of the installed dependencies what no function ever reads."""

import shutil
from pathlib import Path

_UNSPOKEN = "drafts rfc7521 rfc7523 rfc7591 rfc7592 rfc8414 rfc8628 rfc8693 rfc9068 rfc9101 rfc9207"

UNUSED = {
    **{f"authlib/oauth2/{name}": "parts of OAuth that we do not use" for name in _UNSPOKEN.split()},
    "authlib/integrations": "clients and servers for frameworks",
    "authlib/jose": "signing and encryption of its own; our tokens are PyJWT's",
    "authlib/oauth1": "OAuth 1",
    "authlib/oidc": "OpenID Connect by joserfc, which is not installed",
    "bin": "commands; their first line names the Python that ran pip",
    "cffi": "builds extensions; a built one needs _cffi_backend alone",
    "gridfs": "files in MongoDB",
    "h2": "HTTP/2, by which firebase-admin can send asynchronously",
    "hpack": "HTTP/2, too",
    "hyperframe": "HTTP/2, too",
    "pydantic/v1": "the old pydantic for those who ask for it by name",
}
"""What is removed by name, and what it is for."""

TEST_FOLDERS = {"test", "tests"}
SOURCES = {".c", ".cpp", ".h", ".pxd", ".pyi", ".pyx"}
METADATA_READ = {"METADATA", "entry_points.txt", "licenses"}
"""Versions and requirements are read in the first, drivers of yoyo in the second."""


def trim(folder: Path) -> None:
    """Remove what is unused. Raises FileNotFoundError where a name in UNUSED has become wrong."""
    for name in UNUSED:
        shutil.rmtree(folder / name)
    for path in sorted(folder.rglob("*")):
        if not path.exists():
            continue  # it went with its folder
        if path.is_dir() and path.name in TEST_FOLDERS:
            shutil.rmtree(path)
        elif path.suffix in SOURCES or path.name == "py.typed":
            path.unlink()
        elif path.parent.suffix == ".dist-info" and path.name not in METADATA_READ:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
