"""The stage's share of the account's request rate in API Gateway.

Requests, frames and posts to sockets share one rate of the account, usually 10,000 a second.
Without these limits anybody could use it up over an open route, and posts to sockets would fail.
"""

from infra.deploy.aws import Aws
from infra.deploy.gateway.apis import API_STAGE
from infra.deploy.stages import Throttles


def ensure(aws: Aws, rest_id: str, socket_id: str, wanted: Throttles) -> str:
    """Make both APIs answer 429 beyond these rates."""
    aws.client("apigateway").update_stage(
        restApiId=rest_id,
        stageName=API_STAGE,
        patchOperations=[
            {"op": "replace", "path": f"/*/*/throttling/{name}", "value": str(value)}
            for name, value in (
                ("rateLimit", wanted.http_rate),
                ("burstLimit", wanted.http_burst),
            )
        ],
    )
    aws.client("apigatewayv2").update_stage(
        ApiId=socket_id,
        StageName=API_STAGE,
        DefaultRouteSettings={
            "ThrottlingRateLimit": float(wanted.socket_rate),
            "ThrottlingBurstLimit": wanted.socket_burst,
        },
    )
    return f"{wanted.http_rate} requests and {wanted.socket_rate} frames a second"
