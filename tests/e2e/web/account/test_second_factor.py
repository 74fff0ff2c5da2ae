"""A second factor in the web client: set up, asked for, turned off."""

import base64
import time
from collections.abc import Sequence
from typing import Any

import pyotp
import pytest
import zxingcpp
from playwright.sync_api import Locator, expect

from tests.e2e.web.account.test_passkeys import add, opened
from tests.e2e.web.world import PASSWORD, PHONE, World, settings, sign_in


def read(picture: Locator) -> Sequence[str]:
    """What a camera reads in what is drawn on the screen."""
    painted = picture.page.context.new_page()
    grey: str = painted.evaluate(
        """async (png) => {
            const image = new Image();
            image.src = `data:image/png;base64,${png}`;
            await image.decode();
            const { width, height } = image;
            const canvas = new OffscreenCanvas(width, height).getContext("2d");
            canvas.drawImage(image, 0, 0);
            const { data } = canvas.getImageData(0, 0, width, height);
            const pixel = (_, i) => String.fromCharCode((data[4 * i] + data[4 * i + 1]) / 2);
            return [width, height, btoa(Array.from({ length: width * height }, pixel).join(""))]
                .join(" ");
        }""",
        base64.b64encode(picture.screenshot()).decode(),
    )
    painted.close()
    width, height, pixels = grey.split()
    image = memoryview(base64.b64decode(pixels)).cast("B", (int(height), int(width)))
    return [found.text for found in zxingcpp.read_barcodes(image)]


@pytest.mark.parametrize(
    "options",
    [{"color_scheme": "dark"}, {"forced_colors": "active", **PHONE}],
    ids=["dark", "phone"],
)
def test_a_camera_reads_the_secret_and_what_it_makes_signs_in(
    world: World, options: dict[str, Any]
) -> None:
    ada = world.person("Ada").open(**options)
    section = settings(ada.page, "Second factor")
    asked: list[str] = []
    section.get_by_label("Password, to be sure").fill(PASSWORD)
    section.get_by_role("button", name="Set up a second factor").click()
    drawn = section.get_by_role("img", name="QR code of the secret below")
    expect(drawn).to_be_visible()
    ada.page.on("request", lambda request: asked.append(request.url + (request.post_data or "")))

    (uri,) = read(drawn)

    secret = section.locator(".secret").inner_text()
    app = pyotp.parse_uri(uri)
    assert isinstance(app, pyotp.TOTP)
    assert app.secret == secret.replace(" ", "")
    assert [len(part) for part in secret.split()] == [4] * 8
    expect(section.get_by_role("link", name="Open it in an app")).to_have_attribute("href", uri)
    section.get_by_label("Code that the app shows").fill(app.now())
    section.get_by_role("button", name="Turn it on").click()
    expect(section.locator(".recovery-codes code")).to_have_count(10)
    assert not [said for said in asked if app.secret in said]

    page = world.new_page(**options)
    page.goto(world.url)
    sign_in(page, ada.username)
    page.get_by_role("button", name="Back").click()
    expect(page.get_by_label("Username or e-mail")).to_be_focused()
    sign_in(page, ada.username)
    page.get_by_label("Code").fill(app.at(time.time() + 30))
    page.locator("form").get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("No chats yet")).to_be_visible()


def test_it_is_set_up_asked_for_and_turned_off(world: World) -> None:
    context = world.new_context(permissions=["clipboard-read", "clipboard-write"])
    ada = world.person("Ada").open(context)
    section = settings(ada.page, "Second factor")
    section.get_by_label("Password, to be sure").fill(PASSWORD)
    section.get_by_role("button", name="Set up a second factor").click()
    section.get_by_role("button", name="Copy the secret").click()
    expect(section.get_by_text("Copied.")).to_be_visible()
    app = pyotp.TOTP(ada.page.evaluate("() => navigator.clipboard.readText()"))
    section.get_by_label("Code that the app shows").fill("000000")
    section.get_by_role("button", name="Turn it on").click()
    expect(section.get_by_text("This code is wrong")).to_be_visible()
    section.get_by_label("Code that the app shows").fill(app.now())
    section.get_by_role("button", name="Turn it on").click()
    expect(section.locator(".recovery-codes code")).to_have_count(10)
    codes = section.locator(".recovery-codes code").all_inner_texts()
    section.get_by_role("button", name="Copy").click()
    expect(section.get_by_text("Copied.")).to_be_visible()
    assert ada.page.evaluate("() => navigator.clipboard.readText()").split() == codes
    with ada.page.expect_download() as download:
        section.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "parley-recovery-codes.txt"
    assert download.value.path().read_text().split()[3:] == codes
    section.get_by_role("button", name="I have kept them").click()
    expect(section.get_by_text("You have 10 recovery codes left.")).to_be_visible()

    page = world.new_page()
    page.goto(world.url)
    sign_in(page, ada.username)
    page.get_by_role("button", name="Back").click()
    expect(page.get_by_label("Username or e-mail")).to_be_focused()
    expect(page.get_by_label("Username or e-mail")).to_have_value(ada.username)
    sign_in(page, ada.username)
    page.get_by_label("Code").fill("123456")
    page.locator("form").get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("This code is wrong, or was used before.")).to_be_visible()
    page.get_by_label("Code").fill(codes[0])
    page.locator("form").get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("No chats yet")).to_be_visible()

    section.get_by_text("Turn it off").click()
    off = section.locator("details", has_text="Turn it off")
    off.get_by_label("Password, to be sure").fill(PASSWORD)
    off.get_by_role("button", name="Turn off the second factor").click()
    off.get_by_label("Code").fill(codes[0])
    off.get_by_role("button", name="Turn off the second factor").click()
    expect(off.get_by_text("This code is wrong, or was used before.")).to_be_visible()
    off.get_by_label("Code").fill(codes[1])
    off.get_by_role("button", name="Turn off the second factor").click()
    expect(section.get_by_role("button", name="Set up a second factor")).to_be_visible()


def test_codes_that_cannot_be_copied_are_selected(world: World) -> None:
    page = world.new_page()
    page.goto(world.url)
    page.evaluate("""async () => {
        Object.defineProperty(navigator, "clipboard", { value: undefined });
        document.execCommand = () => false;
        const { recoveryCodes } = await import("/js/views/sign-in/recovery-codes.js");
        document.body.replaceChildren(recoveryCodes(["aaaa-bbbb", "cccc-dddd"]));
    }""")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("copy them with your keyboard")).to_be_visible()
    assert page.evaluate("() => String(getSelection())").split() == ["aaaa-bbbb", "cccc-dddd"]


def test_changes_ask_for_it_as_well(world: World) -> None:
    ada = world.person("Ada").open()
    secret = ada.api("POST", "/v1/auth/second-factor", {"password": PASSWORD})["secret"]
    code = {"code": pyotp.TOTP(secret).now()}
    codes = ada.api("POST", "/v1/auth/second-factor/confirm", code)["recovery_codes"]
    section = settings(ada.page, "Password")
    section.get_by_label("Current password").fill(PASSWORD)
    section.get_by_label("New password").fill(PASSWORD + "!")
    section.get_by_role("button", name="Change password").click()
    section.get_by_role("button", name="Cancel").click()
    section.get_by_role("button", name="Change password").click()
    section.get_by_label("Code").fill(codes[0])
    section.get_by_role("button", name="Change password").click()

    expect(section.get_by_text("Changed. Your other devices are signed out.")).to_be_visible()
    expect(section.get_by_label("Current password")).to_have_value("")


def test_a_passkey_takes_the_place_of_a_code_there_too(world: World) -> None:
    ada = world.person("Ada")
    page = opened(world, ada)
    add(settings(page, "Passkeys"))
    secret = ada.api("POST", "/v1/auth/second-factor", {"password": PASSWORD})["secret"]
    code = {"code": pyotp.TOTP(secret).now()}
    ada.api("POST", "/v1/auth/second-factor/confirm", code)
    section = settings(page, "Second factor")
    section.get_by_text("Turn it off").click()
    off = section.locator("details", has_text="Turn it off")
    off.get_by_label("Password, to be sure").fill(PASSWORD)
    off.get_by_role("button", name="Turn off the second factor").click()
    off.get_by_role("button", name="Use a passkey").click()

    expect(section.get_by_role("button", name="Set up a second factor")).to_be_visible()
