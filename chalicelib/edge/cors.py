"""CORS: which pages of other origins may read an answer, and preflight requests."""

import re
from collections.abc import Callable, Mapping, Sequence

from chalice import Blueprint, Response

from chalicelib.config import Settings
from chalicelib.deps import deps
from chalicelib.edge import headers
from chalicelib.edge.endpoints import ENDPOINTS, Readers, by_name
from chalicelib.edge.invocation import invocation
from chalicelib.edge.problems import problem, usual_headers
from chalicelib.errors import AppError
from chalicelib.ids import new_id


def allowed_origins(readers: Readers, settings: Settings | None, origin: str) -> Sequence[str]:
    """The origins that may read an answer. Of the OAuth clients' pages, only the one that calls.
    Without settings, the origins in them are not known. Raises what the store of the OAuth clients
    raises."""
    if readers == "everybody":
        return ["*"]
    if settings is None:
        return []
    known = not origin or "*" in settings.origins or origin in settings.origins
    if readers == "programs" and not known and deps.program_origins.know(origin):
        return [origin]
    return settings.origins


def preflights() -> Blueprint:
    """Routes for preflight requests, one for each path."""
    bp = Blueprint(__name__)
    paths: dict[str, dict[str, Readers]] = {}
    for one in ENDPOINTS:
        if not one.page:
            readers = paths.setdefault(one.path, {})
            readers[one.method] = one.readers
            if one.open:
                readers["HEAD"] = one.readers
    for number, (path, by_method) in enumerate(paths.items()):
        view = by_name(_preflight(bp, by_method), re.findall(r"{(\w+)}", path))
        bp.route(path, methods=["OPTIONS"], content_types=[], name=f"preflight_{number}")(view)
    return bp


def _preflight(bp: Blueprint, by_method: Mapping[str, Readers]) -> Callable[..., Response]:
    """Answers a preflight request: names all methods of the path that the same pages may call."""

    def view(**_: str) -> Response:
        request = bp.current_request
        request_id = request.context.get("requestId") or new_id()
        with invocation(request.lambda_context, request_id):
            try:
                origin = request.headers.get("origin", "")
                asked = request.headers.get("access-control-request-method", "")
                readers = by_method.get(asked, "settings")
                methods = [name for name, whose in by_method.items() if whose == readers]
                origins = allowed_origins(readers, deps.settings, origin)
                sent = {**usual_headers(request_id), **headers.preflight(origins, origin, methods)}
                return Response("", status_code=204, headers=sent)
            except AppError as error:
                return problem(error, request_id)

    return view
