"""How much one stage may take of what API Gateway gives the account.

Requests, frames and posts to sockets share one rate of the account, 10,000 a second as a rule.
Without these limits anybody could use it up by an open route, and nobody would be reached.
"""

from infra.deploy.apis import API_STAGE
from infra.deploy.aws import Aws
from infra.deploy.stages import Throttles


def ensure(aws: Aws, rest_id: str, socket_id: str, wanted: Throttles) -> str:
    """Have both APIs refuse with 429 what is beyond these rates."""
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
