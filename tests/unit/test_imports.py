"""Entering a function loads no SDK: a cold start pays only for what a request uses."""

import subprocess
import sys

import pytest

SDKS = {
    "argon2", "boto3", "botocore", "cryptography", "firebase_admin", "google", "jwt", "pika",
    "psycopg", "pymongo", "redis", "requests", "urllib3", "yoyo", "zxcvbn",
}  # fmt: skip


@pytest.mark.parametrize(
    "entry",
    ["app", "chalicelib.notify.worker", "chalicelib.messages.jobs", "chalicelib.auth.jobs"],
)
def test_entering_a_function_loads_no_sdk(entry: str) -> None:
    code = f"import sys, {entry}; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()

    assert SDKS.isdisjoint(loaded)
