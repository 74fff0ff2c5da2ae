"""Makes what Lambda gets: the code and its dependencies, small, complete, the same every time."""

from infra.package.dependencies import NotInstalled
from infra.package.staging import stage
from infra.package.targets import TargetRefused

__all__ = ["NotInstalled", "TargetRefused", "stage"]
