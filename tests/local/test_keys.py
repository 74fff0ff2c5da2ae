"""Development keys are made once, kept private, and fit for their use."""

import json
import stat
from pathlib import Path

import jwt

from local import keys


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
    (key,) = json.loads(keys.load(tmp_path / "keys").jwks)["keys"]
    private = jwt.PyJWK(key)
    public = jwt.PyJWK({name: value for name, value in key.items() if name != "d"})

    token = jwt.encode({"sub": "ada"}, private, algorithm="ES256", headers={"kid": key["kid"]})

    assert jwt.decode(token, public, algorithms=["ES256"]) == {"sub": "ada"}
    assert key["alg"] == "ES256"
    assert key["use"] == "sig"


def test_the_service_account_is_a_file_as_google_makes_them(tmp_path: Path) -> None:
    account = keys.load(tmp_path / "keys").service_account

    info = json.loads(account.to_json("http://127.0.0.1:1/token"))

    assert info["type"] == "service_account"
    assert info["token_uri"] == "http://127.0.0.1:1/token"
    assert info["client_email"] == account.client_email
    assert "BEGIN PRIVATE KEY" in info["private_key"]
