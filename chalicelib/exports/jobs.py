"""Makes the archives that users asked for, and deletes them when they expire."""

from typing import Any

from chalice import Blueprint, Rate

from chalicelib.deps import deps
from chalicelib.edge.invocation import invocation

bp = Blueprint(__name__)


@bp.schedule(Rate(1, unit=Rate.MINUTES), name="make_exports")
def make_exports(event: Any) -> None:
    """Make the archives that wait, and delete those that have expired."""
    with invocation(event.context):
        deps.exports.work()
