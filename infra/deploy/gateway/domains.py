"""Custom domain names for the two APIs, so that clients never see an API's id.

The names are made, mapped to the APIs and deleted here. DNS records are not, because the zone may
be anywhere: the deploy prints what each record must point to.
"""

import socket
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from infra.deploy.aws import Aws, code_of
from infra.deploy.errors import Stopped
from infra.deploy.gateway.apis import API_STAGE, TAG
from infra.deploy.stages import Domains

PAUSE_SECONDS = 30.0
"""API Gateway makes or deletes one domain name per account in this time."""
TRIES = 5


def resolves(name: str) -> bool:
    """Whether DNS knows the name here."""
    try:
        return bool(socket.getaddrinfo(name, 443))
    except OSError:
        return False


class CustomDomains:
    """The domain names of a stage in API Gateway, found again by a tag."""

    def __init__(self, aws: Aws, stage: str) -> None:
        self._aws = aws
        self._stage = stage
        self._api = aws.client("apigatewayv2")

    def ensure(
        self,
        wanted: Domains | None,
        rest_id: str,
        socket_id: str,
        known: Callable[[str], bool] = resolves,
    ) -> str:
        """Make the wanted names, and map them if both APIs have a stage already.

        Raises Stopped for a name that DNS does not know yet.
        """
        if wanted is None:
            return "none"
        targets = {name: self._ensure(name, wanted.certificate) for name in wanted.names}
        records = [f"{name} CNAME {target}" for name, target in targets.items()]
        if missing := [name for name in targets if not known(name)]:
            lines = "\n".join(f"    {each}" for each in records)
            raise Stopped(
                f"DNS does not know {' and '.join(missing)}. Create these records, and run this "
                f"again:\n{lines}\n  Functions still use the addresses from before."
            )
        if self._serve(rest_id, socket_id):
            for name, api_id in zip(wanted.names, (rest_id, socket_id), strict=True):
                self._map(name, api_id)
        return ", ".join(records)

    def connect(self, wanted: Domains | None, rest_id: str, socket_id: str) -> str:
        """Map each name to its API, and delete the names that the stage no longer wants."""
        names = wanted.names if wanted else ()
        for name, api_id in zip(names, (rest_id, socket_id), strict=False):
            self._map(name, api_id)
        deleted = sum(self._delete(name) for name in self._ours() if name not in names)
        return f"{len(names)} mapped, {deleted} deleted"

    def delete(self) -> str:
        """Delete all names of the stage."""
        return f"{sum(self._delete(name) for name in self._ours())} deleted"

    def _ensure(self, name: str, certificate: str) -> str:
        """Make the name if needed; return the target of its DNS record."""
        wanted = {
            "CertificateArn": certificate,
            "EndpointType": "REGIONAL",
            "SecurityPolicy": "TLS_1_2",
        }
        try:
            found = self._api.get_domain_name(DomainName=name)
        except ClientError as error:
            if code_of(error) != "NotFoundException":
                raise
            found = self._patiently(
                self._api.create_domain_name,
                DomainName=name,
                DomainNameConfigurations=[wanted],
                Tags={TAG: self._stage},
            )
        if found.get("Tags", {}).get(TAG) != self._stage:
            raise Stopped(
                f"{name} is a domain name of API Gateway that this stage did not make. Choose "
                "another name in infra/stages.toml, or delete that one."
            )
        (now,) = found["DomainNameConfigurations"]
        if now["CertificateArn"] != certificate:
            self._api.update_domain_name(DomainName=name, DomainNameConfigurations=[wanted])
        return str(now["ApiGatewayDomainName"])

    def _serve(self, rest_id: str, socket_id: str) -> bool:
        """Whether both APIs have their stage. They get it during the first deploy."""
        rest = self._aws.client("apigateway").get_stages(restApiId=rest_id)["item"]
        sockets = self._api.get_stages(ApiId=socket_id)["Items"]
        return bool(rest and sockets)

    def _map(self, name: str, api_id: str) -> None:
        mapped = self._api.get_api_mappings(DomainName=name).get("Items", [])
        if [(each["ApiId"], each["Stage"]) for each in mapped] == [(api_id, API_STAGE)]:
            return
        for each in mapped:
            self._api.delete_api_mapping(DomainName=name, ApiMappingId=each["ApiMappingId"])
        self._api.create_api_mapping(DomainName=name, ApiId=api_id, Stage=API_STAGE)

    def _ours(self) -> list[str]:
        pages = self._api.get_paginator("get_domain_names").paginate()
        found = [each for page in pages for each in page.get("Items", [])]
        return sorted(
            each["DomainName"] for each in found if each.get("Tags", {}).get(TAG) == self._stage
        )

    def _delete(self, name: str) -> int:
        for each in self._api.get_api_mappings(DomainName=name).get("Items", []):
            self._api.delete_api_mapping(DomainName=name, ApiMappingId=each["ApiMappingId"])
        self._patiently(self._api.delete_domain_name, DomainName=name)
        return 1

    def _patiently(self, call: Callable[..., Any], **given: Any) -> Any:
        for _ in range(TRIES - 1):
            try:
                return call(**given)
            except ClientError as error:
                if code_of(error) != "TooManyRequestsException":
                    raise
                self._aws.pause(PAUSE_SECONDS)
        return call(**given)
