"""A moto server that takes what Chalice and the deploy send, and whose account can be copied:
`python -m tests.deploy.aws.moto_server` with the number of an open socket to listen at.

Stock moto fails at Swagger 2.0 documents, their missing description, integrations without an
address, deployments, stages and route responses of WebSocket APIs, domain names of REST APIs,
outputs of stacks that a change set made, the protection of stacks, triggers by Amazon MQ, layers by
their ARN, account settings, and zips to load down; and it runs no functions. Each of these is taken
over here, and nothing else.

A copy of the account is a fork of this process, with its own address. It ends with the first.
"""

import base64
import copy
import json
import os
import socket
import sys
from functools import cache
from threading import Thread
from typing import Any, ClassVar
from uuid import uuid4

from moto import backends
from moto.apigateway.models import APIGatewayBackend, apigateway_backends
from moto.apigatewayv2 import urls as socket_urls
from moto.apigatewayv2.responses import ApiGatewayV2Response
from moto.awslambda import urls as lambda_urls
from moto.awslambda.models import EventSourceMapping, LambdaBackend, LambdaFunction
from moto.awslambda.responses import LambdaResponse
from moto.cloudformation.models import ChangeSet
from moto.cloudformation.responses import CloudFormationResponse
from moto.core import responses
from moto.core.base_backend import BackendDict
from moto.core.responses import ActionResult
from moto.core.utils import method_names_from_class
from moto.moto_api._internal import urls as own_urls
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

CONCURRENCY = 1000
ANSWERS = {
    "migrate": {"done": True},
    "retire": {"retired": ["parley_app_1"]},
    "canary": {"queues": {"push.0": "ok"}},
    "redrive": {"moved": 2, "left": 1},
    "grant": {"user_id": "u1"},
    "event-consumer": {"url": "amqps://events_board:s3cret@b", "queue": "events.board"},
    "oauth-client": {"client_id": "c1", "client_secret": "s3cret"},
}

_modules = backends.list_of_moto_modules
_ensure_account = BackendDict._create_account_specific_backend
_put_rest_api = APIGatewayBackend.put_rest_api
_create_mapping = LambdaBackend.create_event_source_mapping
_apply = ChangeSet.apply
_batch_size = EventSourceMapping.batch_size.fset  # type: ignore[attr-defined]


def put_rest_api(
    self: APIGatewayBackend, function_id: str, api_doc: dict[str, Any], *_: Any, **__: Any
) -> Any:
    document = copy.deepcopy(api_doc)
    if document.pop("swagger", None):
        document["openapi"] = "3.0.1"
    document["info"] = {"description": "", **document["info"]}
    for operations in document["paths"].values():
        for operation in operations.values():
            integration = operation.get("x-amazon-apigateway-integration", {})
            if integration.get("type") == "mock":  # the answer to a CORS preflight
                integration |= {"uri": "mock://", "httpMethod": "POST"}
    for name, response in document.get("x-amazon-apigateway-gateway-responses", {}).items():
        self.put_gateway_response(
            function_id,
            name,
            response["statusCode"],
            response["responseParameters"],
            response["responseTemplates"],
        )
    api = _put_rest_api(self, function_id, document, fail_on_warnings=False, mode="overwrite")
    api.binaryMediaTypes = document.get("x-amazon-apigateway-binary-media-types", [])
    return api


class Deployments(ApiGatewayV2Response):
    """Deployments of WebSocket APIs; each remembers which of its routes can answer."""

    made: ClassVar[dict[tuple[str, str], list[str]]] = {}
    served: ClassVar[dict[Any, str]] = {}

    def create_deployment(self) -> tuple[int, dict[str, Any], str]:
        api_id, deployment = self.path.split("/")[-2], uuid4().hex[:6]
        routes = self.apigatewayv2_backend.get_routes(api_id)
        answering = [each.route_key for each in routes if each.route_responses]
        self.made[api_id, deployment] = answering
        return self._deployment(deployment, answering)

    def get_deployment(self) -> tuple[int, dict[str, Any], str]:
        api_id, deployment = self.path.split("/")[-3], self.path.split("/")[-1]
        return self._deployment(deployment, self.made[api_id, deployment])

    def create_stage(self) -> tuple[int, dict[str, Any], str]:
        api_id, config = self.path.split("/")[-2], json.loads(self.body)
        stage = self.apigatewayv2_backend.create_stage(api_id, config)
        return self._serving(stage, config["deploymentId"])

    def update_stage(self) -> tuple[int, dict[str, Any], str]:
        api_id, name = self.path.split("/")[-3], self.path.split("/")[-1]
        stage, asked = self.apigatewayv2_backend.get_stage(api_id, name), json.loads(self.body)
        stage.default_route_settings |= asked.get("defaultRouteSettings", {})
        return self._serving(stage, asked.get("deploymentId", self.served.get(stage)))

    def get_stages(self) -> tuple[int, dict[str, Any], str]:
        api_id = self.path.split("/")[-2]
        stages = self.apigatewayv2_backend.get_stages(api_id)
        items = [{**one.to_json(), "deploymentId": self.served.get(one)} for one in stages]
        return 200, {}, json.dumps({"items": items})

    def get_route_responses(self) -> tuple[int, dict[str, Any], str]:
        api_id, route_id = self.path.split("/")[-4], self.path.split("/")[-2]
        route = self.apigatewayv2_backend.get_route(api_id, route_id)
        items = [each.to_json() for each in route.route_responses.values()]
        return 200, {}, json.dumps({"items": items})

    def _serving(self, stage: Any, deployment: str) -> tuple[int, dict[str, Any], str]:
        self.served[stage] = deployment
        return 200, {}, json.dumps({**stage.to_json(), "deploymentId": deployment})

    @staticmethod
    def _deployment(deployment: str, answering: list[str]) -> tuple[int, dict[str, Any], str]:
        told = {"deploymentId": deployment, "deploymentStatusMessage": ",".join(answering)}
        return 200, {}, json.dumps({**told, "deploymentStatus": "DEPLOYED"})


class DomainNames(ApiGatewayV2Response):
    """Domain names with the target that a DNS record needs, and mappings to REST APIs too."""

    def create_domain_name(self) -> tuple[int, dict[str, Any], str]:
        status, headers, text = super().create_domain_name()
        name = json.loads(text)["domainName"]
        domain = self.apigatewayv2_backend.get_domain_name(name)
        (chosen,) = domain.domain_name_configurations
        chosen["apiGatewayDomainName"] = f"d-{name.split('.')[0]}.execute-api.example"
        return status, headers, json.dumps(domain.to_json())

    def update_domain_name(self) -> tuple[int, dict[str, Any], str]:
        domain = self.apigatewayv2_backend.get_domain_name(self.path.split("/")[-1])
        (chosen,) = json.loads(self.body)["domainNameConfigurations"]
        domain.domain_name_configurations[0] |= chosen
        return 200, {}, json.dumps(domain.to_json())

    def create_api_mapping(self) -> tuple[int, dict[str, Any], str]:
        backend, asked = self.apigatewayv2_backend, json.loads(self.body)
        api_id, known = asked["apiId"], dict(backend.apis)
        rest = apigateway_backends[self.current_account][self.region]
        served = backend.apis if api_id in known else rest.apis
        assert asked["stage"] in served[api_id].stages, "AWS maps no stage that is not there"
        backend.apis = {**known, api_id: served[api_id]}  # type: ignore[dict-item]
        try:
            return super().create_api_mapping()  # type: ignore[return-value]
        finally:
            backend.apis = known


class Lambdas(LambdaResponse):
    """What moto's Lambda does not answer."""

    def get_layer_version_by_arn(self) -> tuple[int, dict[str, Any], str]:
        arn = self.querystring["Arn"][0]
        layer = self.backend.layers_versions_by_arn(arn)
        if layer is None:
            return 404, {"status": 404, "x-amzn-errortype": "ResourceNotFoundException"}, "{}"
        told = layer.get_layer_version()
        told["Content"]["Location"] = _location(layer.code_bytes)
        return 200, {}, json.dumps(told)

    def get_function(self) -> str:
        told = json.loads(super().get_function())
        function = self.backend.get_function(told["Configuration"]["FunctionName"])
        return json.dumps({**told, "Code": {"Location": _location(function.code_bytes)}})

    def get_account_settings(self) -> str:
        return json.dumps({"AccountLimit": {"ConcurrentExecutions": CONCURRENCY}})


def _location(content: bytes) -> str:
    """An address that can be opened, as AWS gives one in S3."""
    return f"data:application/zip;base64,{base64.b64encode(content).decode()}"


def apply(self: ChangeSet) -> None:
    _apply(self)
    stack = self.stack
    stack.template, stack.parameters = self.template, self.parameters
    stack._parse_template()
    stack.output_map = stack._create_output_map()


def update_termination_protection(self: CloudFormationResponse) -> ActionResult:
    stack = self.cloudformation_backend.get_stack(self._get_param("StackName"))
    stack.enable_termination_protection = self._get_param("EnableTerminationProtection")
    return ActionResult({"StackId": stack.stack_id})


def create_mapping(self: LambdaBackend, spec: dict[str, Any]) -> EventSourceMapping:
    if ":mq:" not in spec["EventSourceArn"]:
        return _create_mapping(self, spec)
    function = self.get_function(spec["FunctionName"])
    where = {"RegionName": self.region_name, "AccountId": self.account_id}
    mapping = EventSourceMapping(  # type: ignore[abstract]
        {**spec, **where, "FunctionArn": function.function_arn}
    )
    self._event_source_mappings[mapping.uuid] = mapping
    return mapping


def set_source(self: EventSourceMapping, arn: str) -> None:
    self._event_source_arn = arn


def set_batch_size(self: EventSourceMapping, size: int) -> None:
    if ":mq:" in self.event_source_arn:
        self._batch_size = size
    else:
        _batch_size(self, size)


def invoke(self: LambdaFunction, body: str, _: Any, headers: Any) -> bytes:
    """Answers as the maintenance function does; one without its settings fails."""
    if not self.environment_vars.get("SECRETS"):
        headers["x-amz-function-error"] = "Unhandled"
        return b'{"errorMessage": "no settings"}'
    return json.dumps(ANSWERS[json.loads(body)["task"]]).encode()


@cache
def modules() -> list[str]:
    return list(_modules())


def ensure_account(self: "BackendDict[Any]", account_id: str) -> None:
    if account_id not in self:
        _ensure_account(self, account_id)


class Server:
    """Serves the account of this process, or of a fork of it."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self._app = DomainDispatcherApplication(create_backend_app)
        self._first_ended, self._ends_with_the_first = os.pipe()
        self._is_first = True

    def run(self) -> None:
        host, port = self._listening.getsockname()
        make_server(
            host,
            port,
            self._app,
            threaded=True,
            request_handler=MotoRequestHandler,
            fd=self._listening.fileno(),
        ).serve_forever()

    def copy(self, *_: Any) -> tuple[int, dict[str, Any], str]:
        """Answers where a copy of the account is, and the process that has it."""
        listening = socket.create_server(("127.0.0.1", 0))
        process = os.fork()
        if not process:
            if self._is_first:
                os.close(self._ends_with_the_first)
            self._is_first, self._listening = False, listening
            Thread(target=self._end_with_the_first, daemon=True).start()
            self.run()
        port = listening.getsockname()[1]
        listening.close()
        Thread(target=os.waitpid, args=(process, 0), daemon=True).start()
        return 200, {}, json.dumps({"at": f"http://127.0.0.1:{port}", "process": process})

    def _end_with_the_first(self) -> None:
        os.read(self._first_ended, 1)  # until nobody has the other end
        os._exit(0)


def patch() -> None:
    """Take over what stock moto cannot do, and keep what it would look up for each request."""
    backends.list_of_moto_modules = modules
    responses.method_names_from_class = cache(method_names_from_class)  # type: ignore[attr-defined]
    BackendDict._create_account_specific_backend = (  # type: ignore[method-assign]
        ensure_account
    )
    APIGatewayBackend.put_rest_api = put_rest_api  # type: ignore[method-assign]
    ChangeSet.apply = apply  # type: ignore[method-assign]
    CloudFormationResponse.update_termination_protection = (  # type: ignore[attr-defined]
        update_termination_protection
    )
    LambdaBackend.create_event_source_mapping = create_mapping  # type: ignore[method-assign]
    EventSourceMapping.event_source_arn = (  # type: ignore[method-assign]
        EventSourceMapping.event_source_arn.setter(set_source)  # type: ignore[attr-defined]
    )
    EventSourceMapping.batch_size = (  # type: ignore[method-assign]
        EventSourceMapping.batch_size.setter(set_batch_size)  # type: ignore[attr-defined]
    )
    LambdaFunction.invoke = invoke  # type: ignore[method-assign, assignment]
    apis = "{0}/v2/apis/(?P<api_id>[^/]+)"
    for path in ("deployments$", "deployments/(?P<deployment_id>[^/]+)$"):
        socket_urls.url_paths[f"{apis}/{path}"] = Deployments.dispatch
    for path in (
        "stages$",
        "stages/(?P<stage_name>[^/]+)$",
        "routes/(?P<route_id>[^/]+)/routeresponses$",
    ):
        assert f"{apis}/{path}" in socket_urls.url_paths
        socket_urls.url_paths[f"{apis}/{path}"] = Deployments.dispatch
    for path in ("$", "/(?P<domain_name>[^/]+)$", "/(?P<domain_name>[^/]+)/apimappings$"):
        assert f"{{0}}/v2/domainnames{path}" in socket_urls.url_paths
        socket_urls.url_paths[f"{{0}}/v2/domainnames{path}"] = DomainNames.dispatch
    function = r"functions/(?P<function_name>[\w_:%-]+)/?$"
    for path in ("account-settings/?$", "layers$", function):
        lambda_urls.url_paths[f"{{0}}/(?P<api_version>[^/]+)/{path}"] = Lambdas.dispatch


if __name__ == "__main__":
    patch()
    server = Server(socket.socket(fileno=int(sys.argv[1])))
    own_urls.url_paths["{0}/moto-api/copy$"] = server.copy  # type: ignore[assignment]
    server.run()
