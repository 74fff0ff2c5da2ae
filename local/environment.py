"""The app's settings in the local cloud, which a deploy would give it on AWS."""

import os

from local.functions.events import REGION, STAGE
from local.keys import Keys
from local.options import Listeners, page, url
from local.servers import Servers
from local.stand_ins.fcm import Fcm
from local.stand_ins.google import CLIENT_ID
from local.stand_ins.ses import SENDER, Ses

BUCKET = "parley-exports"


def app_environment(
    listeners: Listeners,
    found: Keys,
    fcm: Fcm,
    ses: Ses,
    servers: Servers,
) -> dict[str, str]:
    """What the app's settings are read from, and nothing of the machine's own AWS account."""
    return {
        **servers.env,
        "STAGE": "local",
        "ISSUER": url(listeners.http),
        "CORS_ORIGINS": os.environ.get("CORS_ORIGINS") or _names_of(url(listeners.http)),
        "PASSKEY_RP_ID": "localhost",  # an address is not the name that browsers ask for
        "PASSKEY_ORIGINS": page(url(listeners.http)),
        "WEB_URL": page(url(listeners.http)),
        "WS_URL": f"{url(listeners.sockets, 'ws')}/{STAGE}",
        "WS_ENDPOINT_URL": f"{url(listeners.management)}/{STAGE}",
        "JWT_KEYS": found.jwks,
        "FCM_CREDENTIALS": fcm.credentials(),
        "FCM_URL": fcm.send_url,
        "GOOGLE_CLIENT_IDS": CLIENT_ID,
        "GOOGLE_URL": url(listeners.google),
        "EXPORTS_BUCKET": BUCKET,
        "MAIL_FROM": SENDER,
        "MAIL_URL": ses.url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": found.aws.access_key,
        "AWS_SECRET_ACCESS_KEY": found.aws.secret_key,
    }


def _names_of(address: str) -> str:
    """The origins that the web client may have been opened at."""
    return ",".join(dict.fromkeys([address, page(address)]))


def with_inherited(own: dict[str, str]) -> dict[str, str]:
    """The same for a process, with this one's environment except the variables of AWS."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**inherited, **own}
