"""A stage with its own domain names, in moto's account."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.deploy.errors import Stopped
from infra.deploy.gateway.domains import CustomDomains
from tests.deploy.aws.account import (
    ACCOUNT,
    REGION,
    Checkout,
    Operator,
    client,
    configuration,
    copied,
    rest_api,
    signed_in,
    socket_api,
    stage,
)
from tests.deploy.conftest import Deployed

CERTIFICATE = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/1234-abcd"
NAMES = {"http": "api.example.org", "socket": "ws.example.org", "certificate": CERTIFICATE}


def with_names(**changes: Any) -> Any:
    return stage(domains={**NAMES, **changes})


def mapped(name: str) -> list[tuple[str, str]]:
    found = client("apigatewayv2").get_api_mappings(DomainName=name)["Items"]
    assert all(not each.get("ApiMappingKey") for each in found), "the root, so that RFC 8414 works"
    return [(each["ApiId"], each["Stage"]) for each in found]


def names() -> list[str]:
    return [each["DomainName"] for each in client("apigatewayv2").get_domain_names()["Items"]]


def addresses() -> tuple[str, str, str]:
    told = configuration("api_handler")["Environment"]["Variables"]
    return told["ISSUER"], told["WS_URL"], told["WS_ENDPOINT_URL"]


@pytest.fixture(scope="module")
def asked() -> list[str]:
    """The addresses that the first deploy asked whether they are ready."""
    return []


@pytest.fixture(scope="module")
def first_named(
    account: str, tmp_path_factory: pytest.TempPathFactory, asked: list[str]
) -> Iterator[Deployed]:
    """What the first deploy of a stage with names left. Tests use copies of it."""

    def ready(_: Any, issuer: str, __: Any) -> str:
        asked.append(issuer)
        return "ready"

    with copied(account) as own:
        with signed_in(own):
            checkout = Checkout(own, tmp_path_factory.mktemp("named"))
            output = Operator(checkout, stage=with_names()).deploy(ready=ready)
        yield Deployed(checkout, output)


@pytest.fixture
def named(first_named: Deployed, tmp_path: Path) -> Iterator[Checkout]:
    """One that was deployed once, with names."""
    with first_named.checkout.entered(tmp_path) as own:
        yield own


@pytest.mark.usefixtures("named")
def test_programs_see_the_names_and_never_an_apis_id(
    first_named: Deployed, asked: list[str]
) -> None:
    output = first_named.output

    assert mapped("api.example.org") == [(rest_api(), "api")]
    assert mapped("ws.example.org") == [(socket_api(), "api")]
    assert addresses() == (
        "https://api.example.org",
        "wss://ws.example.org",
        f"https://{socket_api()}.execute-api.{REGION}.amazonaws.com/api",
    )
    assert asked == ["https://api.example.org"]
    resources = client("apigateway").get_resources(restApiId=rest_api(), limit=500)["items"]
    assert "/.well-known/oauth-authorization-server" in {each["path"] for each in resources}
    assert "api.example.org CNAME d-api.execute-api.example" in output
    assert "ws.example.org CNAME d-ws.execute-api.example" in output


def test_repeats_nothing_and_follows_a_new_api_and_a_new_certificate(named: Checkout) -> None:
    Operator(named, stage=with_names()).deploy(fcm=None)
    old = rest_api()
    client("apigateway").delete_rest_api(restApiId=old)
    newer = f"{CERTIFICATE}-2"

    Operator(named, stage=with_names(certificate=newer)).deploy(fcm=None)

    assert old != rest_api()
    assert mapped("api.example.org") == [(rest_api(), "api")]
    assert addresses()[0] == "https://api.example.org"
    for name in names():
        (found,) = client("apigatewayv2").get_domain_name(DomainName=name)[
            "DomainNameConfigurations"
        ]
        assert found["CertificateArn"] == newer
        assert found["SecurityPolicy"] == "TLS_1_2"


def test_a_stage_in_use_keeps_its_addresses_until_dns_knows_the_names(
    deployed: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = addresses()

    with pytest.raises(Stopped, match=r"DNS does not know ws\.example\.org(.|\n)*ws\S* CNAME d-ws"):
        Operator(deployed, stage=with_names()).deploy(
            fcm=None, resolves=lambda name: name != "ws.example.org"
        )
    assert addresses() == before

    def look(*_: Any, **__: Any) -> None:
        raise Stopped("looked")

    monkeypatch.setattr("infra.deploy.functions.logs.ensure", look)
    with pytest.raises(Stopped, match="looked"):
        Operator(deployed, stage=with_names()).deploy(fcm=None)
    assert mapped("api.example.org") == [(rest_api(), "api")]  # before any function names it
    assert addresses() == before


def test_names_that_the_stage_gives_up_go_after_its_functions_forgot_them(
    named: Checkout,
) -> None:
    client("apigatewayv2").create_domain_name(DomainName="else.example.org")

    Operator(named, stage=with_names(http="chat.example.org")).deploy(fcm=None)
    assert names() == ["ws.example.org", "else.example.org", "chat.example.org"]
    Operator(named).deploy(fcm=None)

    assert names() == ["else.example.org"]
    assert addresses()[0] == f"https://{rest_api()}.execute-api.{REGION}.amazonaws.com/api"


def test_a_name_of_somebody_else_is_refused(checkout: Checkout) -> None:
    client("apigatewayv2").create_domain_name(DomainName="ws.example.org")

    with pytest.raises(Stopped, match=r"ws\.example\.org is a domain name .* did not make"):
        Operator(checkout, stage=with_names()).deploy()

    assert mapped("ws.example.org") == []


def test_destroy_removes_the_names_before_the_apis(named: Checkout) -> None:
    client("apigatewayv2").create_domain_name(DomainName="else.example.org")

    Operator(named, "destroy dev", "data", "empty").destroy()

    assert names() == ["else.example.org"]


def test_waits_where_api_gateway_makes_one_name_in_30_seconds(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = Operator(checkout, stage=with_names())
    api = operator.place.aws.client("apigatewayv2")
    refused = type(api.exceptions.TooManyRequestsException({}, "CreateDomainName"))
    create = api.create_domain_name
    calls: list[str] = []
    pauses: list[float] = []

    def busy(**given: Any) -> Any:
        calls.append(given["DomainName"])
        if len(calls) % 2:
            raise refused({"Error": {"Code": "TooManyRequestsException"}}, "CreateDomainName")
        return create(**given)

    monkeypatch.setattr(api, "create_domain_name", busy)
    operator.place.aws.pause = pauses.append
    rest = client("apigateway").create_rest_api(name="x")["id"]
    sockets = client("apigatewayv2").create_api(
        Name="x", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
    )["ApiId"]
    domains = CustomDomains(operator.place.aws, "dev")

    domains.ensure(with_names().domains, rest, sockets, lambda _: True)

    assert names() == ["api.example.org", "ws.example.org"]
    assert pauses == [30.0, 30.0]
