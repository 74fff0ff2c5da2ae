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
    **{
        f"fido2/{name}": "what authenticators and clients need"
        for name in (
            *("attestation", "client", "ctap.py", "ctap1.py", "ctap2", "hid", "mds3.py"),
            *("payment.py", "pcsc.py"),
        )
    },
    **{
        f"firebase_admin/{name}.py": "what Firebase offers besides messaging"
        for name in (
            *("_auth_client", "_auth_providers", "_auth_utils", "_rfc3339", "_sseclient"),
            *("_token_gen", "_user_identifier", "_user_import", "_user_mgt", "app_check", "auth"),
            *("db", "firestore", "firestore_async", "functions", "instance_id", "ml"),
            *("phone_number_verification", "project_management", "remote_config", "storage"),
            "tenant_mgt",
        )
    },
    "google/auth/aio": "asynchronous sign-in",
    **{
        f"google/{name}.py": "other ways to sign in to Google than a service account's key"
        for name in (
            *("auth/_credentials_async", "auth/_default_async", "auth/_jwt_async"),
            *("auth/_oauth2client", "auth/api_key", "auth/app_engine", "auth/aws"),
            *("auth/downscoped", "auth/external_account", "auth/external_account_authorized_user"),
            *("auth/identity_pool", "auth/impersonated_credentials", "auth/pluggable"),
            *("auth/transport/_aiohttp_requests", "auth/transport/grpc"),
            *("auth/transport/urllib3", "oauth2/_client_async", "oauth2/_credentials_async"),
            *("oauth2/_id_token_async", "oauth2/_reauth_async", "oauth2/_service_account_async"),
            "oauth2/gdch_credentials",
        )
    },
    "dns/win32util.py": "Windows",
    "gridfs": "files in MongoDB",
    "pika/adapters/gevent_connection.py": "another event loop than ours",
    "pika/adapters/tornado_connection.py": "another event loop than ours",
    "pika/adapters/twisted_connection.py": "another event loop than ours",
    "pydantic/mypy.py": "a plug-in of the type checker",
    "pydantic/v1": "the old pydantic for those who ask for it by name",
    "redis/asyncio/multidb": "several databases that stand in for each other",
    "redis/multidb": "several databases that stand in for each other",
    "urllib3/contrib/emscripten": "browsers",
}
"""What is removed by name, and what it is for."""

EMPTIED = {
    "fido2/public_suffix_list.dat": "for comparing origins loosely, read when it is imported; "
    "ours are compared exactly",
}
"""Files that must exist, but whose content is not used."""

TEST_FOLDERS = {"test", "tests"}
SOURCES = {".c", ".cpp", ".h", ".pxd", ".pyi", ".pyx"}
METADATA_READ = {"METADATA", "entry_points.txt", "licenses"}
"""Versions and requirements are read in the first, drivers of yoyo in the second."""


def trim(folder: Path) -> None:
    """Remove what is unused. Raises FileNotFoundError where a name has become wrong."""
    for name in UNUSED:
        path = folder / name
        path.unlink() if path.suffix == ".py" else shutil.rmtree(path)
    for name in EMPTIED:
        with (folder / name).open("r+b") as file:
            file.truncate()
    for path in sorted(folder.rglob("*")):
        if not path.exists():
            continue  # it went with its folder
        if path.is_dir() and path.name in TEST_FOLDERS:
            shutil.rmtree(path)
        elif path.suffix in SOURCES or path.name == "py.typed":
            path.unlink()
        elif path.parent.suffix == ".dist-info" and path.name not in METADATA_READ:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
