"""Development keys are made once, kept private, and fit for their use."""

import json
import stat
from pathlib import Path

from chalicelib.auth.sessions.tokens import AccessTokens
from chalicelib.identity import Identity
from local import keys
from tests.unit.settings import settings


def test_keys_are_made_once(tmp_path: Path) -> None:
    assert keys.load(tmp_path / "keys") == keys.load(tmp_path / "keys")


def test_each_state_folder_has_its_own(tmp_path: Path) -> None:
    one, other = keys.load(tmp_path / "one"), keys.load(tmp_path / "other")

    assert one.jwks != other.jwks
    assert one.aws.secret_key != other.aws.secret_key
    assert one.service_account.private_key_pem != other.service_account.private_key_pem


def test_nobody_else_can_read_them(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    keys.load(folder)

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = list(folder.iterdir())
    assert len(files) == 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_the_key_set_signs_and_verifies_tokens(tmp_path: Path) -> None:
    jwks = keys.load(tmp_path / "keys").jwks
    tokens = AccessTokens(settings(jwt_keys=jwks))
    ada = Identity(user_id="ada", session_id="s")

    assert tokens.verify(tokens.issue(ada)) == ada
    assert tokens.id_claims(tokens.issue_id("program", sub="ada", sid="s"))["sub"] == "ada"


def test_the_service_account_is_a_file_as_google_makes_them(tmp_path: Path) -> None:
    account = keys.load(tmp_path / "keys").service_account

    info = json.loads(account.to_json("http://127.0.0.1:1/token"))

    assert info["type"] == "service_account"
    assert info["token_uri"] == "http://127.0.0.1:1/token"
    assert info["client_email"] == account.client_email
    assert "BEGIN PRIVATE KEY" in info["private_key"]
