"""A user's browser on a site that signs its visitors in with Parley."""

from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from tests.client import User
from tests.cloud import Cloud
from tests.e2e.oauth.oauth import Browser, Page, Program, registered


def site_of(cloud: Cloud, url: str, back: str, *, require_pkce: bool) -> Program:
    """Registers a site with one path for answers, and the page /open for those who sign out."""
    return registered(
        cloud,
        redirect_uris=[url + back],
        post_logout_redirect_uris=[f"{url}/open"],
        scopes=["openid", "profile", "email"],
        require_pkce=require_pkce,
    )


def follow(browser: Browser, page: Page) -> Page:
    """The page at the end of the redirects."""
    while page.location:
        page = browser.visit(urljoin(str(page.response.url), page.location))
    return page


def enter(browser: Browser, url: str, user: User) -> Page:
    """Visit a page of the site, sign in, agree, and come back."""
    return follow(browser, browser.agree(browser.visit(url).location, user))


def changed(url: str, **query: str) -> str:
    """The URL with other values of some parameters, which it must have."""
    parts = urlsplit(url)
    given = dict(parse_qsl(parts.query))
    assert query.keys() <= given.keys(), url
    return parts._replace(query=urlencode({**given, **query})).geturl()
