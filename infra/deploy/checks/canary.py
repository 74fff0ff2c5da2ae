"""A step of a deploy: a test record goes through every push queue, and FCM accepts our account."""

from collections.abc import Callable

from infra.deploy.aws import Aws
from infra.deploy.errors import Stopped
from infra.deploy.functions import maintenance

_HELP = (
    "Everything is deployed, and messages go to open sockets; pushes do not arrive. "
    "docs/operations.md#canary says what to check. Run this again to try again."
)


def send(aws: Aws, maintain: str, problems: Callable[[], dict[str, str]]) -> str:
    """Have `maintain` send canaries. Raises Stopped with each queue that failed, and why."""
    queues = maintenance.invoke(aws, maintain, {"task": "canary"})["queues"]
    failed = {queue: said for queue, said in queues.items() if said != "ok"}
    if not failed:
        return f"{len(queues)} queues, FCM accepts the account"
    said_by_aws = problems()
    lines = [f"    {queue}: {_why(said, said_by_aws.get(queue))}" for queue, said in failed.items()]
    raise Stopped("\n".join(["The canary push failed:", *lines, _HELP]))


def _why(said: str, problem: str | None) -> str:
    if said != "missing":
        return f"notify ran, and FCM answered {said}"
    return f"notify did not read it in time. AWS says: {problem or 'nothing'}"
