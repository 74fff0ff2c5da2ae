"""docs/configuration.md describes all settings, and only those that exist."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from chalicelib.config import Settings
from infra.deploy.stages import GIVEN, SECRET
from local.environment import app_environment
from local.keys import AwsKeys, Keys, ServiceAccount

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "configuration.md").read_text()


class Row(NamedTuple):
    """What the table says of a setting."""

    name: str
    default: str
    on_aws: str
    here: str


SERVERS = ("POSTGRES_URL", "MESSAGES_URL", "REDIS_URL", "AMQP_URL", "EXPORTS_URL")
ROWS = {
    row.name: row
    for line in PAGE.splitlines()
    if re.match(r"\| `[A-Z0-9_]+` \|", line)
    for row in [Row(*(cell.strip().strip("`") for cell in line.split("|")[1:5]))]
}
FIELDS = {name.upper(): field for name, field in Settings.model_fields.items()}


def test_every_setting_is_in_the_table_once() -> None:
    told = re.findall(r"^\| `([A-Z0-9_]+)` \|", PAGE, re.MULTILINE)

    assert sorted(told) == sorted(FIELDS)


@pytest.mark.parametrize("name", FIELDS)
def test_its_default_is_documented(name: str) -> None:
    default = FIELDS[name].default
    told = ROWS[name].default

    if FIELDS[name].is_required():
        assert told == ""
    elif isinstance(default, tuple):
        assert tuple(float(one) for one in told.split(",")) == default
    elif isinstance(default, int | float):
        assert float(told) == default
    elif isinstance(default, str) and default:
        assert told == default
    else:
        assert told in ("", "AWS's", "Google's")


@pytest.mark.parametrize("name", FIELDS)
def test_where_it_comes_from_on_aws_is_documented(name: str) -> None:
    if name.startswith("AWS_"):
        expected = {"Lambda"}
    elif name in SECRET:
        expected = {"secret"}
    elif name == "SECRETS_URL":
        expected = {"not set"}
    else:
        expected = {"deploy"} if name in GIVEN else {"stage"}

    assert {ROWS[name].on_aws} == expected


@pytest.mark.parametrize("name", FIELDS)
def test_where_it_comes_from_on_this_machine_is_documented(name: str) -> None:
    listener = SimpleNamespace(getsockname=lambda: ("127.0.0.1", 1))
    given: dict[str, Any] = {
        "listeners": SimpleNamespace(
            http=listener, sockets=listener, management=listener, google=listener
        ),
        "found": Keys("{}", ServiceAccount(""), AwsKeys("a", "b")),
        "fcm": SimpleNamespace(credentials=lambda: "{}", send_url="http://f"),
        "ses": SimpleNamespace(url="http://s"),
        "servers": SimpleNamespace(env=dict.fromkeys(SERVERS, "x")),
    }
    made = app_environment(**given)

    if name in made:
        assert ROWS[name].here == "make run"
    else:
        assert ROWS[name].here == ("default" if FIELDS[name].default else "not set")
