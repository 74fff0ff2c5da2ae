"""Errors that a metric counts. Raise them by these functions: each call is counted once."""

from collections.abc import Mapping

from chalicelib import metrics
from chalicelib.errors.general import NO_FIELDS, RateLimited, Unavailable


def unavailable(dependency: str, retry_after: int = 2) -> Unavailable:
    """The error for a server that did not answer in time. `retry_after` is in seconds."""
    metrics.unavailable(dependency)
    return Unavailable(dependency, retry_after)


def rate_limited(retry_after: int, fields: Mapping[str, str] = NO_FIELDS) -> RateLimited:
    """The error for a request or a frame over its limit. `retry_after` is in seconds; `fields`: the
    headers with what is left of each bucket."""
    metrics.count("RateLimited")
    return RateLimited(retry_after, fields)
