"""The pages of the OpenID provider."""

from playwright.sync_api import Page, expect

from tests.cloud import Cloud
from tests.e2e.oauth.oauth import asking, registered
from tests.e2e.web.account.test_sign_in_page import by_password, with_second_factor
from tests.e2e.web.audit.axe import Auditor
from tests.e2e.web.framing import framing
from tests.e2e.web.world import World, settings


def test_the_pages_of_the_provider(world: World, cloud: Cloud, auditor: Auditor) -> None:
    ada = world.person("Ada Okafor")
    with framing() as server:
        program = registered(cloud, name="Board", redirect_uris=[server.back])
        url = asking(cloud.http_url, program, redirect_uri=server.back)
        page = world.new_page()
        page.goto(url)
        auditor.look(page)
        page.get_by_label("Password").fill("x")
        _without_checks(page, "Sign in")
        expect(page.get_by_role("alert")).not_to_be_empty()
        auditor.look(page)
        page.get_by_role("button", name="Create an account").click()
        _without_checks(page, "Create account")
        expect(page.locator(".wrong").first).to_be_visible()
        auditor.look(page)
        page.get_by_role("button", name="Back to signing in").click()
        page.get_by_role("button", name="Forgot your password?").click()
        auditor.look(page)
        page.get_by_label("E-mail address").fill("nobody@example.org")
        page.get_by_role("button", name="Mail me a link").click()
        auditor.look(page)

        with_second_factor(ada)
        page.goto(url)
        by_password(page, ada)
        expect(page.get_by_label("Code")).to_be_focused()
        auditor.look(page)
        _consent(page, world, url, auditor, server.back)


def _consent(page: Page, world: World, url: str, auditor: Auditor, back: str) -> None:
    cleo = world.person("Cleo Marsh")
    page.goto(url)
    by_password(page, cleo)
    expect(page.get_by_role("heading", level=1)).to_have_text("Allow Board?")
    auditor.look(page, strong=True)
    page.get_by_role("button", name="Allow", exact=True).click()
    page.wait_for_url(f"{back}**")
    page.goto(f"{world.url}/oauth2/logout")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign out?")
    auditor.look(page)
    page.get_by_role("button", name="Sign out").click()
    auditor.look(page)
    page.goto(f"{world.url}/oauth2/authorize?client_id=nobody")
    expect(page.get_by_role("heading", level=1)).to_have_text("This did not work")
    auditor.look(page)

    programs = settings(cleo.open().page, "Programs")
    expect(programs.get_by_role("button", name="End access of Board")).to_be_visible()
    auditor.look(cleo.page)


def _without_checks(page: Page, button: str) -> None:
    """Sends a form as a browser does that checks nothing."""
    page.evaluate("for (const form of document.forms) form.noValidate = true")
    page.get_by_role("button", name=button, exact=True).click()
