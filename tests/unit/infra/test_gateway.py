"""What API Gateway is told besides Chalice's definition of the REST API."""

import json
import re
from typing import Any

import pytest
from botocore.session import Session
from chalice.deploy.swagger import CFNSwaggerGenerator, SwaggerGenerator

import app as application
from chalicelib.deps import deps
from chalicelib.edge.endpoints import ENDPOINTS
from chalicelib.edge.problems import problem
from chalicelib.errors import Unauthorized, Unavailable
from infra import gateway
from tests.unit.settings import settings

ISSUER = "https://api.example.org"
RESPONSES = gateway.definition(ISSUER)["x-amazon-apigateway-gateway-responses"]


@pytest.fixture
def defined(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(SwaggerGenerator, "generate_swagger", SwaggerGenerator.generate_swagger)
    gateway.patch_chalice(ISSUER)
    made: dict[str, Any] = CFNSwaggerGenerator().generate_swagger(application.app)
    return made


def test_every_body_reaches_the_function_as_it_was_sent(defined: dict[str, Any]) -> None:
    assert defined["x-amazon-apigateway-binary-media-types"] == ["*/*"]
    # Else Chalice would encode every answer, and refuse those who accept no such type.
    assert "*/*" not in application.app.api.binary_types
    assert "application/json" not in application.app.api.binary_types


def test_what_chalice_defines_stays(defined: dict[str, Any]) -> None:
    assert defined["paths"].keys() == application.app.routes.keys()
    open_paths = {one.path for one in ENDPOINTS if one.open}
    assert {path for path, found in defined["paths"].items() if "head" in found} == open_paths
    for path in open_paths:
        integrations = [
            defined["paths"][path][name]["x-amazon-apigateway-integration"]
            for name in ("get", "head")
        ]
        assert integrations[0] == integrations[1]


def test_every_type_of_answer_that_there_is_has_its_own(defined: dict[str, Any]) -> None:
    model = Session().get_service_model("apigateway")
    types = model.shape_for("GatewayResponseType").enum  # type: ignore[attr-defined]

    assert defined["x-amazon-apigateway-gateway-responses"].keys() == set(types)


@pytest.mark.parametrize("name", RESPONSES)
def test_an_answer_is_a_problem_that_every_origin_may_read(name: str) -> None:
    response = RESPONSES[name]
    told = {
        each.removeprefix("gatewayresponse.header."): value
        for each, value in response["responseParameters"].items()
    }
    (template,) = response["responseTemplates"].values()
    problem = json.loads(template)

    assert problem["status"] == int(response["statusCode"])
    assert problem["type"] == f"{ISSUER}/v1/errors#{problem['code']}"
    assert {"type", "title", "status", "detail", "code", "request_id"} <= problem.keys()
    assert re.findall(r"\$[\w.]*", template) == ["$context.requestId"]
    assert told["Content-Type"] == "'application/problem+json'"
    assert told["Access-Control-Allow-Origin"] == "'*'"
    assert "Retry-After" in told["Access-Control-Expose-Headers"]
    assert told["Cache-Control"] == "'no-store'"
    assert told["x-request-id"] == "context.requestId"
    assert "Access-Control-Allow-Credentials" not in told
    assert ("Retry-After" in told) == ("retry_after" in problem)
    assert all(re.fullmatch(r"'[^']*'|context\.requestId", value) for value in told.values()), (
        "what API Gateway can read"
    )


def test_its_form_is_that_of_our_own_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(deps), "settings", settings(issuer=ISSUER))
    pairs = (
        (Unauthorized(), gateway.RESPONSES["UNAUTHORIZED"]),
        (Unavailable("x"), gateway.LATE._replace(status=503, detail=str(Unavailable("x")))),
    )
    for error, refusal in pairs:
        ours = problem(error, "r1")
        theirs = refusal.headers("r1", ISSUER)

        assert json.loads(ours.body) == refusal.document("r1", ISSUER)
        assert ours.headers.items() <= theirs.items()
