"""Who writes to whom in the tests of messages."""

from chalicelib.identity import Identity
from chalicelib.messages.content import TextContent
from chalicelib.messages.models.messages import Draft

ANA_ID, BO_ID, CY_ID = (f"00000000-0000-7000-8000-00000000000{n}" for n in range(3))
ANA = Identity(user_id=ANA_ID, session_id="s", connection_id="ana-1")
BO = Identity(user_id=BO_ID, session_id="s", connection_id="bo-1")
CY = Identity(user_id=CY_ID, session_id="s", connection_id="cy-1")
NOWHERE = "00000000-0000-7000-8000-0000000000ff"


def draft(text: str = "hi", client_id: str = "x1") -> Draft:
    return Draft(client_id=client_id, content=TextContent(kind="text", text=text))
