"""infra/stages.toml: what is in it, and the messages about mistakes in it."""

from pathlib import Path

import pytest

from infra.deploy import stages
from infra.deploy.cloudformation.template import Template
from infra.deploy.errors import Stopped
from infra.deploy.project import ROOT

GOOD = '[dev]\nregion = "eu-central-1"\n'


def names(region: str = "eu-central-1", **changes: str) -> str:
    """The table of domain names."""
    given = {
        "http": "api.example.org",
        "socket": "ws.example.org",
        "certificate": f"arn:aws:acm:{region}:123456789012:certificate/1-2",
        **changes,
    }
    return "[dev.domains]\n" + "".join(f"{key} = '{value}'\n" for key, value in given.items())


def load(tmp_path: Path, text: str) -> stages.Stage:
    path = tmp_path / "stages.toml"
    path.write_text(text)
    return stages.load("dev", path)


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_the_stages_that_are_there_can_be_used(name: str) -> None:
    stage = stages.load(name)

    assert stage.account == ""  # nobody's: the operator fills it in
    for what in ("network", "data", "watch"):
        template = Template.read(ROOT / "infra" / f"{what}.yaml")
        chosen = getattr(stage, what)
        found = {n: "" for n, one in template.parameters.items() if "Default" not in one}
        assert chosen.items() <= template.values(found, chosen).items()
        for parameter, value in chosen.items():
            allowed = template.parameters[parameter].get("AllowedValues", [value])
            assert value in map(str, allowed), parameter


def test_prod_is_protected_and_dev_is_not() -> None:
    assert stages.load("prod").is_protected
    assert not stages.load("dev").is_protected


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_throttles_leave_half_of_the_accounts_requests_to_posts(name: str) -> None:
    """10,000 a second, as AWS gives them; a burst of 5,000."""
    throttles = stages.load(name).throttles

    assert throttles.http_rate + throttles.socket_rate <= 5000
    assert throttles.http_burst + throttles.socket_burst <= 5000


def test_a_stage_may_have_two_domain_names(tmp_path: Path) -> None:
    stage = load(tmp_path, GOOD + "account = '123456789012'\n" + names())

    assert stage.domains
    assert stage.domains.names == ("api.example.org", "ws.example.org")


def test_values_become_text_as_cloudformation_wants_it(tmp_path: Path) -> None:
    stage = load(tmp_path, GOOD + "[dev.data]\nA = true\nB = 3\nC = 0.5\nD = 'text'\n")

    assert stage.data == {"A": "true", "B": "3", "C": "0.5", "D": "text"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[dev]\nregion = "mars"\n', r"dev\.region"),
        ("[dev]\n", r"dev\.region: Field required"),
        (GOOD + "acount = '1'\n", r"dev\.acount: Extra inputs"),
        (GOOD + "account = '123'\n", r"dev\.account"),
        (GOOD + "architecture = 'mips'\n", r"dev\.architecture"),
        (GOOD + "python = '3.9'\n", r"dev\.python"),
        (GOOD + "alarm_email = 'nobody'\n", r"dev\.alarm_email"),
        (GOOD + "log_retention_days = 12\n", r"dev\.log_retention_days"),
        (GOOD + "[dev.throttles]\nhttp_rate = 0\n", r"dev\.throttles\.http_rate"),
        (GOOD + "[dev.throttles]\nrate = 5\n", r"dev\.throttles\.rate"),
        (GOOD + "[dev.settings]\nPOSTGRES_ADMIN_URL = 'x'\n", "POSTGRES_ADMIN_URL is secret"),
        (GOOD + "[dev.settings]\nNO_SUCH = 1\n", "NO_SUCH is no setting"),
        (GOOD + "[dev.settings]\nlog_level = 'INFO'\n", "log_level is no setting"),
        (GOOD + "[dev.settings]\nJWT_KEYS = '{}'\n", "JWT_KEYS is secret"),
        (GOOD + "[dev.settings]\nSECRETS = 'a'\n", "SECRETS is set by the deploy"),
        (GOOD + "[dev.settings]\nLOG_LEVEL = 'LOUD'\n", "LOG_LEVEL: Input should be"),
        (GOOD + "[dev.settings]\nACCESS_TOKEN_SECONDS = 'x'\n", "ACCESS_TOKEN_SECONDS: Input"),
        (GOOD + "[dev.settings]\nEXPORTS_BUCKET = 'a'\n", "EXPORTS_BUCKET is set by the deploy"),
        (GOOD + "[dev.settings]\nAWS_REGION = 'a'\n", "AWS_REGION is set by the deploy"),
        (GOOD + "[dev.domains]\nhttp = 'a.example.org'\n", r"dev\.domains\.socket"),
        (GOOD + names(http="https://a.example.org"), r"dev\.domains\.http"),
        (GOOD + names(http="a.example.org/"), r"dev\.domains\.http"),
        (GOOD + names(http="-a.example.org"), r"dev\.domains\.http"),
        (GOOD + names(http="localhost"), r"dev\.domains\.http"),
        (GOOD + names(http="A.example.org"), r"dev\.domains\.http"),
        (GOOD + names(http="ws.example.org"), "http and socket must differ"),
        (GOOD + names(certificate="x"), r"dev\.domains\.certificate"),
        (GOOD + names(), "must be in the stage's account and region"),
        (
            GOOD + "account = '123456789012'\n" + names(region="us-east-1"),
            "must be in the stage's account and region",
        ),
        ("[prod]\nregion = 'eu-central-1'\n", "no stage 'dev', only: prod"),
        ("[dev", "is not TOML"),
    ],
)
def test_a_mistake_is_reported_by_its_key(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(Stopped, match=told):
        load(tmp_path, text)
