"""Makes what Lambda gets: the code and its dependencies, small, complete, the same every time."""

from infra.package.dependencies import NotInstalled
from infra.package.staging import stage
from infra.package.targets import TargetRefused

ISSUER = "PARLEY_ISSUER"
"""The variable by which a deploy says where the API will be, to `infra.package.chalice`."""

__all__ = ["ISSUER", "NotInstalled", "TargetRefused", "stage"]
