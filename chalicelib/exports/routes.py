"""Exports of one's data over HTTP."""

from chalice import Blueprint

from chalicelib.auth.models import PasswordProof
from chalicelib.deps import deps
from chalicelib.edge.rest import Answer, endpoint
from chalicelib.errors import WRONG_PROOF, ExportNotFound, UserNotFound
from chalicelib.exports.models import LINK_PATH, Export, ExportLink, ExportTicket
from chalicelib.identity import Identity

bp = Blueprint(__name__)


@endpoint(
    bp,
    "POST /v1/users/me/export",
    tag="Exports",
    errors=(*WRONG_PROOF, UserNotFound),
    scope="account",
    status=202,
)
def request_export(identity: Identity, body: PasswordProof) -> Export:
    """Ask for an archive of your data.

    Once a day at most. A mail tells you when it is ready, if your address is verified.
    """
    return deps.exports.request(identity, body)


@endpoint(bp, "GET /v1/users/me/export", tag="Exports", errors=(ExportNotFound,), scope="account")
def get_export(identity: Identity) -> Export:
    """Get how far your export is.

    The one that you asked for last.
    """
    return deps.exports.latest(identity)


@endpoint(
    bp,
    "POST /v1/users/me/export/link",
    tag="Exports",
    errors=(*WRONG_PROOF, ExportNotFound),
    scope="account",
    status=201,
)
def link_to_export(identity: Identity, body: PasswordProof) -> ExportLink:
    """Get a link to your archive.

    It can be opened for some minutes, while this session lasts.
    """
    return deps.exports.link(identity, body)


@endpoint(bp, f"GET {LINK_PATH}", tag="Exports", errors=(ExportNotFound,), status=303)
def open_export_link(query: ExportTicket) -> Answer:
    """Open the link to an archive.

    It leads on to the file.
    """
    return Answer(status=303, headers={"Location": deps.exports.open(query.ticket)})
