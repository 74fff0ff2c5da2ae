"""The two APIs. They are made before Chalice runs, so that functions and policies can name them.

Chalice would make them itself, but then their ids would be known too late, and Chalice loses them
if it fails later. So they are made empty, found again by a tag, and added to Chalice's list of
resources.
"""

from typing import Any

from botocore.exceptions import ClientError

from infra.deploy.aws import Aws, code_of

TAG = "parley:stage"
API_STAGE = "api"
REST, WEBSOCKET = "rest_api", "websocket_api"
REST_NAME = "parley"


def socket_name(stage: str) -> str:
    """The name of a stage's WebSocket API."""
    return f"parley-{stage}-websocket-api"


class Apis:
    """The REST API and the WebSocket API of a stage."""

    def __init__(self, aws: Aws, stage: str) -> None:
        self._aws = aws
        self._stage = stage

    @property
    def _rest(self) -> Any:
        return self._aws.client("apigateway")

    @property
    def _socket(self) -> Any:
        return self._aws.client("apigatewayv2")

    def ensure(self, deployed: dict[str, Any]) -> dict[str, Any]:
        """Make the APIs that are missing; return Chalice's list with both."""
        known = {each["name"]: each for each in deployed["resources"]}
        rest = self._existing_rest(known.get(REST, {}).get("rest_api_id")) or self._new_rest()
        socket = self._existing_socket(known.get(WEBSOCKET, {}).get("websocket_api_id"))
        socket = socket or self._new_socket()
        entries = [
            {"name": REST, "resource_type": REST, "rest_api_id": rest,
             "rest_api_url": self.http_url(rest) + "/"},
            {"name": WEBSOCKET, "resource_type": WEBSOCKET, "websocket_api_id": socket,
             "websocket_api_url": self.socket_url(socket) + "/"},
        ]  # fmt: skip
        others = [each for each in deployed["resources"] if each["name"] not in {REST, WEBSOCKET}]
        return {**deployed, "resources": [*others, *entries]}

    def ids(self, deployed: dict[str, Any]) -> tuple[str, str]:
        """The ids of the REST API and the WebSocket API in Chalice's list."""
        known = {each["name"]: each for each in deployed["resources"]}
        return known[REST]["rest_api_id"], known[WEBSOCKET]["websocket_api_id"]

    def http_url(self, api_id: str) -> str:
        """The address for HTTP requests; that of the WebSocket API is for posts to sockets."""
        where = f"execute-api.{self._aws.region}.{self._aws.domain}"
        return f"https://{api_id}.{where}/{API_STAGE}"

    def socket_url(self, api_id: str) -> str:
        """The address where clients open sockets."""
        return self.http_url(api_id).replace("https://", "wss://", 1)

    def found(self, deployed: dict[str, Any]) -> tuple[list[str], list[str]]:
        """All REST and WebSocket APIs of this stage, by the list and by the tag."""
        known = {each["name"]: each for each in deployed["resources"]}
        rest = {self._existing_rest(known.get(REST, {}).get("rest_api_id")), *self._tagged_rest()}
        socket = {
            self._existing_socket(known.get(WEBSOCKET, {}).get("websocket_api_id")),
            *self._tagged_sockets(),
        }
        return sorted(filter(None, rest)), sorted(filter(None, socket))

    def _existing_rest(self, api_id: str | None) -> str:
        if api_id:
            try:
                return str(self._rest.get_rest_api(restApiId=api_id)["id"])
            except ClientError as error:
                if code_of(error) != "NotFoundException":
                    raise
        return ""

    def _existing_socket(self, api_id: str | None) -> str:
        if api_id:
            try:
                return str(self._socket.get_api(ApiId=api_id)["ApiId"])
            except ClientError as error:
                if code_of(error) != "NotFoundException":
                    raise
        return ""

    def _new_rest(self) -> str:
        for api_id in self._tagged_rest():
            return api_id
        made = self._rest.create_rest_api(
            name=REST_NAME, endpointConfiguration={"types": ["REGIONAL"]}, tags={TAG: self._stage}
        )
        return str(made["id"])

    def _new_socket(self) -> str:
        for api_id in self._tagged_sockets():
            return api_id
        made = self._socket.create_api(
            Name=socket_name(self._stage),
            ProtocolType="WEBSOCKET",
            RouteSelectionExpression="$request.body.action",
            Tags={TAG: self._stage},
        )
        return str(made["ApiId"])

    def _tagged_rest(self) -> list[str]:
        pages = self._rest.get_paginator("get_rest_apis").paginate()
        apis = [each for page in pages for each in page.get("items", [])]
        return sorted(a["id"] for a in apis if a.get("tags", {}).get(TAG) == self._stage)

    def _tagged_sockets(self) -> list[str]:
        pages = self._socket.get_paginator("get_apis").paginate()
        apis = [each for page in pages for each in page.get("Items", [])]
        return sorted(a["ApiId"] for a in apis if a.get("Tags", {}).get(TAG) == self._stage)
