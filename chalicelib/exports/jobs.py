"""What users asked to have exported is made in the background, and deleted in time."""

from typing import Any

from chalice import Blueprint, Rate

from chalicelib.deps import deps
from chalicelib.edge.invocation import invocation

bp = Blueprint(__name__)


@bp.schedule(Rate(1, unit=Rate.MINUTES), name="make_exports")
def make_exports(event: Any) -> None:
    """Make the archives that wait, and delete those that are over."""
    with invocation(event.context):
        deps.exports.work()
