"""A site on Django that signs its visitors in by social-auth.

Run: site.py PORT ISSUER CLIENT_ID CLIENT_SECRET [--pkce]
"""

import sys
from urllib.parse import urlencode
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import include, path
from social_core.exceptions import AuthCredentialError

PORT, ISSUER, CLIENT_ID, CLIENT_SECRET, *OPTIONS = sys.argv[1:]

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    AUTHENTICATION_BACKENDS=["social_core.backends.open_id_connect.OpenIdConnectAuth"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "social_django"],
    LOGIN_REDIRECT_URL="/",
    LOGIN_URL="/open",
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "social_django.middleware.SocialAuthExceptionMiddleware",
    ],
    ROOT_URLCONF=__name__,
    SECRET_KEY="for the tests only",
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    SOCIAL_AUTH_OIDC_KEY=CLIENT_ID,
    SOCIAL_AUTH_OIDC_OIDC_ENDPOINT=ISSUER,
    SOCIAL_AUTH_OIDC_SECRET=CLIENT_SECRET,
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    SOCIAL_AUTH_OIDC_USE_PKCE="--pkce" in OPTIONS,
    USE_TZ=True,
)
django.setup()

from social_django.utils import load_strategy  # noqa: E402


def home(request: HttpRequest) -> HttpResponse:
    """What the site knows of its visitor."""
    user = request.user
    grant = user.social_auth.get()
    return JsonResponse(
        {
            "sub": grant.uid,
            "username": user.username,
            "name": user.get_full_name(),
            "email": user.email,
            "access_token": grant.access_token,
        }
    )


def entrance(_: HttpRequest) -> HttpResponse:
    """For visitors whom the site does not know."""
    return HttpResponse("Sign in")


def refresh(request: HttpRequest) -> HttpResponse:
    """Have the access token replaced; sign the visitor out if the provider does not agree."""
    try:
        request.user.social_auth.get().refresh_token(load_strategy(request))
    except AuthCredentialError:
        logout(request)
        return HttpResponse("Sign in again", status=403)
    return redirect("/")


def sign_out(request: HttpRequest) -> HttpResponse:
    """Forget the visitor, and send them to the provider to be forgotten there, too."""
    grant = request.user.social_auth.get()
    endpoint = grant.get_backend_instance(load_strategy(request)).oidc_config()
    query = {
        "id_token_hint": grant.extra_data["id_token"],
        "post_logout_redirect_uri": request.build_absolute_uri("/open"),
    }
    logout(request)
    return redirect(f"{endpoint['end_session_endpoint']}?{urlencode(query)}")


urlpatterns = [
    path("", login_required(home)),
    path("open", entrance),
    path("refresh", login_required(refresh)),
    path("sign-out", login_required(sign_out)),
    path("", include("social_django.urls", namespace="social")),
]


class Quiet(WSGIRequestHandler):
    """Logs no requests: their queries hold codes."""

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    with make_server("127.0.0.1", int(PORT), get_wsgi_application(), handler_class=Quiet) as server:
        server.serve_forever()
