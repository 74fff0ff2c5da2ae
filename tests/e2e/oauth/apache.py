"""A site behind Apache. mod_auth_openidc signs its visitors in."""

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from local.bootstrap import DEBIAN
from local.servers.postgres import NOBODY, as_nobody
from tests.e2e.oauth.oauth import Program

READY_WITHIN = 30.0
MODULE = "usr/lib/apache2/modules/mod_auth_openidc.so"
_MODULES = ("mpm_event", "authn_core", "authz_core", "authz_user", "proxy", "proxy_http")
_CONFIGURATION = """
ServerRoot {folder}
DefaultRuntimeDir {folder}
PidFile {folder}/pid
ErrorLog {folder}/error.log
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
{modules}
LoadModule auth_openidc_module {root}/{module}

OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCClientID {program.id}
OIDCClientSecret {program.secret}
OIDCRedirectURI http://127.0.0.1:{port}/signed-in
OIDCCryptoPassphrase for-the-tests-only
OIDCScope "openid profile email"
{pkce}
OIDCRemoteUserClaim sub

<Location />
    AuthType openid-connect
    Require valid-user
</Location>
<Location /fresh>
    # Longer than an access token is valid: each visit refreshes it.
    OIDCRefreshAccessTokenBeforeExpiry 86400
</Location>
<Location /open>
    Require all granted
</Location>
ProxyPass /signed-in !
ProxyPass / http://127.0.0.1:{backend}/
"""


def installed() -> Path:
    """The folder that contains `usr` with Apache and the module; skips the test without it."""
    for root in (Path("/"), DEBIAN):
        if (root / MODULE).exists() and (root / "usr/sbin/apache2").exists():
            return root
    pytest.skip("mod_auth_openidc is not installed: python -m local.bootstrap --for tests")


@contextmanager
def apache(issuer: str, program: Program, port: int, folder: Path, *, pkce: bool) -> Iterator[None]:
    """Serves the site at a port. It answers with the header fields that the application behind
    Apache gets; all of it but `/open` is for those who are signed in."""
    root = installed()
    with _application() as backend:
        modules = root / "usr/lib/apache2/modules"
        file = folder / "apache.conf"
        file.write_text(
            _CONFIGURATION.format(
                folder=folder,
                port=port,
                root=root,
                module=MODULE,
                modules="\n".join(
                    f"LoadModule {name}_module {modules}/mod_{name}.so" for name in _MODULES
                ),
                issuer=issuer,
                pkce="OIDCPKCEMethod S256" if pkce else "",
                program=program,
                backend=backend,
            )
        )
        if os.geteuid() == 0:  # it refuses to serve as root
            shutil.chown(folder, NOBODY, NOBODY)
        libraries = DEBIAN.glob("usr/lib/*-linux-gnu")
        process = subprocess.Popen(
            [*as_nobody(), str(root / "usr/sbin/apache2"), "-DFOREGROUND", "-f", str(file)],
            env={"LD_LIBRARY_PATH": ":".join(map(str, libraries)), "PATH": os.environ["PATH"]},
            cwd=folder,
        )
        try:
            _wait_for(f"http://127.0.0.1:{port}/open", process, folder / "error.log")
            yield
        finally:
            process.terminate()
            process.wait()


class _Echo(BaseHTTPRequestHandler):
    """Answers with the header fields of the request."""

    def do_GET(self) -> None:
        body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _application() -> Iterator[int]:
    """The port of the application behind Apache."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def _wait_for(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while True:
        try:
            httpx.get(url)
        except httpx.TransportError:
            said = log.read_text() if log.exists() else ""
            assert process.poll() is None, f"Apache ended:\n{said}"
            assert time.monotonic() < deadline, f"Apache does not answer:\n{said}"
            time.sleep(0.05)
        else:
            return
