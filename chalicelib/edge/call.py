"""One request to an endpoint: its caller, its arguments and its answer."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from chalice import Response
from pydantic_core import to_json

from chalicelib.deps import deps
from chalicelib.edge import headers
from chalicelib.edge.cors import allowed_origins
from chalicelib.edge.endpoints import Answer, Endpoint, Reply
from chalicelib.edge.problems import issuer, problem, usual_headers
from chalicelib.edge.requests import (
    body_of,
    brings_token,
    path_value,
    query_of,
    sent_by,
    source_of,
)
from chalicelib.errors import (
    AppError,
    RateLimited,
    ScopeMissing,
    Unauthorized,
    UnsupportedMediaType,
)
from chalicelib.limits.table import TABLE, Quota, Use, fields_of

log = logging.getLogger(__name__)


class Call:
    """A request to an endpoint, handled once by `answer`."""

    def __init__(
        self, one: Endpoint, request: Any, request_id: str, parameters: dict[str, str]
    ) -> None:
        self._endpoint = one
        self._request = request
        self._id = request_id
        self._parameters = parameters
        self._authorization: str = request.headers.get("authorization", "")
        self._quotas: Sequence[Quota] = ()

    def answer(self) -> Response:
        """The answer of the view, or the error. Raises nothing."""
        one = self._endpoint
        try:
            response = self._answered(one.view(**self._admit(), **self._read()))
        except RateLimited as error:
            response = self._refused(error)
            response.headers.update(error.fields)
            self._quotas = ()
        except AppError as error:
            response = self._refused(error)
        except Exception:
            log.exception("request failed", extra={"route": f"{one.method} {one.path}"})
            response = self._refused(AppError())
        response.headers.update(fields_of(self._quotas))
        if one.page is None:
            response.headers.update(self._cors())
        return response

    def _admit(self) -> dict[str, Any]:
        """Authenticate the caller, if the view needs one, and count the call. Returns the caller as
        an argument of the view, with `sent` if the access token may be in the form."""
        one, found = self._endpoint, dict[str, Any]()
        use = Use(
            limit=one.limit,
            address=source_of(self._request).address,
            target=self._parameters.get("chat_id", "").lower(),
        )
        if one.scope is None:
            if TABLE[one.limit].address and not TABLE[one.limit].inside:
                self._quotas = deps.throttle.anonymous(use)
            return found
        unread: UnsupportedMediaType | None = None
        if "sent" in one.hints:
            try:
                found["sent"] = sent_by(self._request)
                self._authorization = found["sent"].token
            except UnsupportedMediaType as error:  # the header may hold a token
                unread = error
        name = "program" if "program" in one.hints else "identity"
        admits = deps.programs if name == "program" else deps.auth
        found[name], self._quotas = admits.admit(self._authorization, use)
        if one.scope not in found[name].scopes:
            raise ScopeMissing(one.scope)
        if unread is not None:
            raise unread
        return found

    def _read(self) -> dict[str, Any]:
        """The other arguments of the view."""
        one, request = self._endpoint, self._request
        found = {
            name: path_value(adapter, self._parameters[name])
            for name, adapter in one.adapters.items()
        }
        if "query" in one.hints:
            found["query"] = query_of(one.hints["query"], request)
        if "body" in one.hints:
            found["body"] = body_of(one.hints["body"], request)
        if "sent" in one.hints and one.scope is None:
            found["sent"] = sent_by(request)
        if "source" in one.hints:
            found["source"] = source_of(request)
        return found

    def _answered(self, result: Any) -> Response:
        response = answered(result, self._endpoint.statuses[0], self._id)
        if self._endpoint.public:
            response.headers["Cache-Control"] = f"public, max-age={headers.PUBLIC_SECONDS}"
        return response

    def _refused(self, error: AppError) -> Response:
        one = self._endpoint
        response = problem(error, self._id, one.told(error) if one.told else {})
        if isinstance(error, ScopeMissing):
            challenge = headers.bearer(issuer(), "insufficient_scope", error.scope)
            response.headers["WWW-Authenticate"] = challenge
        elif one.scope and type(error) is Unauthorized and brings_token(self._authorization):
            response.headers["WWW-Authenticate"] = headers.bearer(issuer(), "invalid_token")
        if one.told is not None:
            response.headers["Content-Type"] = "application/json"
        if one.page is not None:
            shown = one.page(str(error))
            response.body = shown.body
            response.headers.update(shown.headers)
        return response

    def _cors(self) -> dict[str, str]:
        origin = self._request.headers.get("origin", "")
        settings = vars(deps).get("settings")  # None if they cannot be read
        with suppress(AppError):  # without these headers a browser hides the answer from the page
            origins = allowed_origins(self._endpoint.readers, settings, origin)
            return headers.cors(origins, origin)
        return {}


def answered(result: Any, status: int, request_id: str) -> Response:
    """The response for the result of a view."""
    if isinstance(result, Answer):
        body = result.body if isinstance(result.body, str) else to_json(result.body).decode()
        sent = {**usual_headers(request_id), **result.headers}
        if result.cookies:
            sent["Set-Cookie"] = list(result.cookies)
        return Response(body, status_code=result.status, headers=sent)
    if isinstance(result, Reply):
        result, status = result.body, result.status
    if result is None:
        return Response("", status_code=204, headers=usual_headers(request_id))
    return Response(to_json(result).decode(), status_code=status, headers=usual_headers(request_id))
