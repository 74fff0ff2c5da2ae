"""The Chalice application: wiring only."""

from typing import Any

from chalice import Chalice
from chalice.app import WebsocketEvent

from chalicelib import maintenance
from chalicelib.admin import routes as admin_routes
from chalicelib.auth import routes as auth_routes
from chalicelib.auth.google import routes as google_routes
from chalicelib.auth.passkeys import routes as passkey_routes
from chalicelib.auth.recovery import routes as recovery_routes
from chalicelib.auth.second_factor import routes as second_factor_routes
from chalicelib.auth.sessions import jobs as sessions_jobs
from chalicelib.auth.sessions import routes as sessions_routes
from chalicelib.edge import cors, frames, meta, ws
from chalicelib.exports import jobs as exports_jobs
from chalicelib.exports import routes as exports_routes
from chalicelib.live import actions as live_actions
from chalicelib.mail import jobs as mail_jobs
from chalicelib.messages import actions as messages_actions
from chalicelib.messages import jobs as messages_jobs
from chalicelib.messages import routes as messages_routes
from chalicelib.notify import routes as notify_routes
from chalicelib.notify import worker as notify_worker
from chalicelib.oauth import routes as oauth_routes
from chalicelib.oauth.authorize import routes as authorize_routes
from chalicelib.oauth.clients import routes as client_routes
from chalicelib.oauth.consents import routes as consent_routes
from chalicelib.oauth.tokens import routes as token_routes
from chalicelib.users import routes as users_routes

app = Chalice(app_name="parley", configure_logs=False)
app.experimental_feature_flags.update(["WEBSOCKETS"])

for module in (
    meta,
    auth_routes,
    sessions_routes,
    recovery_routes,
    second_factor_routes,
    passkey_routes,
    google_routes,
    sessions_jobs,
    users_routes,
    admin_routes,
    oauth_routes,
    authorize_routes,
    token_routes,
    client_routes,
    consent_routes,
    exports_routes,
    exports_jobs,
    mail_jobs,
    messages_routes,
    messages_jobs,
    notify_routes,
    notify_worker,
    maintenance,
):
    app.register_blueprint(module.bp)
app.register_blueprint(cors.preflights())

for actions in (messages_actions.ACTIONS, live_actions.ACTIONS):
    frames.add_actions(actions)


@app.on_ws_connect()
def ws_connect(event: WebsocketEvent) -> dict[str, Any]:
    return ws.connect(event)


@app.on_ws_message()
def ws_message(event: WebsocketEvent) -> dict[str, Any]:
    return ws.receive(event)


@app.on_ws_disconnect()
def ws_disconnect(event: WebsocketEvent) -> dict[str, Any]:
    return ws.disconnect(event)
