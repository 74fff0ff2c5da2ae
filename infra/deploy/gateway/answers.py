"""Answers on sockets: API Gateway sends the result of `$default` only if the route has a response.

Chalice makes the routes again at each deploy, without a route response, and deploys the API's
stage only the first time.
"""

from typing import Any

from infra.deploy.aws import Aws
from infra.deploy.gateway.apis import API_STAGE

DEFAULT = "$default"


def ensure(aws: Aws, api_id: str) -> str:
    """Add the route response, and deploy the routes to the stage."""
    api = aws.client("apigatewayv2")
    routes = api.get_routes(ApiId=api_id, MaxResults="100")["Items"]
    route = next(each for each in routes if each["RouteKey"] == DEFAULT)
    _give_answer(api, api_id, route)
    deployment = api.create_deployment(ApiId=api_id, Description="make deploy")["DeploymentId"]
    stages = api.get_stages(ApiId=api_id)["Items"]
    there = any(each["StageName"] == API_STAGE for each in stages)
    serve = api.update_stage if there else api.create_stage
    serve(ApiId=api_id, StageName=API_STAGE, DeploymentId=deployment)
    return "deployed"


def _give_answer(api: Any, api_id: str, route: dict[str, Any]) -> None:
    if route.get("RouteResponseSelectionExpression") != DEFAULT:
        api.update_route(
            ApiId=api_id, RouteId=route["RouteId"], RouteResponseSelectionExpression=DEFAULT
        )
    found = api.get_route_responses(ApiId=api_id, RouteId=route["RouteId"])["Items"]
    if all(each["RouteResponseKey"] != DEFAULT for each in found):
        api.create_route_response(ApiId=api_id, RouteId=route["RouteId"], RouteResponseKey=DEFAULT)
