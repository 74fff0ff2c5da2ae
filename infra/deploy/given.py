"""What a deploy learns about a stage and gives to stacks, policies and functions."""

from infra.deploy.gateway.apis import REST_NAME
from infra.deploy.place import Place


def parameters(place: Place, what: str, concurrency: str) -> dict[str, str]:
    """Parameters of a stack that no stage chooses."""
    of_stage = {"Stage": place.stage.name}
    if what == "network":
        return of_stage
    if what == "data":
        return {**place.network, **of_stage}
    rest, socket = place.api_ids
    return {
        **place.network,
        **place.data,
        **of_stage,
        "RestApiName": REST_NAME,
        "RestApiId": rest,
        "WebSocketApiId": socket,
        "AccountConcurrency": concurrency,
        "AlarmEmail": place.stage.alarm_email,
    }


def blanks(place: Place) -> dict[str, str]:
    """The values of the placeholders in policies."""
    sender = place.stage.settings.get("MAIL_FROM", "")
    return {
        **place.network,
        **place.data,
        "PARTITION": place.aws.partition,
        "DOMAIN": place.aws.domain,
        "REGION": place.stage.region,
        "ACCOUNT": place.stage.account,
        "WEBSOCKET_API_ID": place.api_ids[1],
        "MAIL_FROM": sender,
        "MAIL_DOMAIN": sender.rpartition("@")[2],
    }


def environments(place: Place) -> dict[str, dict[str, str]]:
    """By function: the settings that all get, and the secrets that it alone reads."""
    common = {
        **place.stage.settings,
        "STAGE": place.stage.name,
        **place.addresses,
        "EXPORTS_BUCKET": place.data["ExportsBucket"],
    }
    versions = place.secrets_versions
    return {
        each.key: {
            **common,
            "SECRETS": ",".join(place.secret_arns(each)),
            "SECRETS_VERSION": versions[each.key],
        }
        for each in place.project.functions
    }
