"""The console in a real browser before a demo that runs: by keyboard, by WCAG, through a crash."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect
from rig import Demo, browser, chromium, demo, until, watched

PICTURES = Path(__file__).parents[2] / "docs" / "pictures" / "console"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
WIDE, PHONE = (1360, 900), (390, 844)
FIRST_ROUTE_REQUESTS_MAX = 14
FIRST_ROUTE_SCRIPT_BYTES_MAX = 90_000
TABS_MAX = 200
DAY = "2026-11-21"
TODAY = "2026-11-24"
PLACES = (
    "today", "live", "reconcile", f"reconcile?date={DAY}", "journals", "review", "inventory",
    "customers", "events", "events?show=quarantine", "pipelines", "settings",
    "settings?tab=mapping", "settings?tab=people", "settings?tab=audit",
)  # fmt: skip

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    chromium()
    with demo(tmp_path_factory.mktemp("console") / "demo") as running:
        yield running


@pytest.fixture(scope="module")
def chrome(shown: Demo) -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def signed_in(shown: Demo, chrome: Browser) -> dict[str, Any]:
    """Cookies of whoever followed the one-time link."""
    context = chrome.new_context()
    page = context.new_page()
    page.goto(shown.link)
    expect(page.get_by_role("heading", name="Today")).to_be_visible()
    kept: dict[str, Any] = dict(context.storage_state())
    context.close()
    return kept


@pytest.fixture
def context(chrome: Browser, signed_in: Any) -> Iterator[BrowserContext]:
    opened = chrome.new_context(
        viewport={"width": WIDE[0], "height": WIDE[1]}, color_scheme="light",
        storage_state=signed_in, locale="en-GB", reduced_motion="reduce",
    )  # fmt: skip
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page that may say nothing wrong, and may ask nobody but its own server."""
    opened = context.new_page()
    wrong = watched(opened)
    yield opened
    assert wrong == []


def settle(page: Page) -> None:
    """The page is drawn, and its stream has told the machine's state."""
    expect(page.locator("h1")).to_be_visible()
    expect(page.get_by_text(re.compile("^Live"), exact=False).first).to_be_visible()
    expect(
        page.get_by_text(re.compile(r"^(Waiting for|Comparing|Following|Looking)"))
    ).to_have_count(0)


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until the wanted element has the focus."""
    expect(wanted).to_be_visible()
    for _ in range(TABS_MAX):
        if wanted.evaluate("node => node === document.activeElement"):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"{wanted} is not reached by keyboard")


def press(page: Page, wanted: Locator, key: str = "Enter") -> None:
    tab_to(page, wanted)
    page.keyboard.press(key)


def figure(page: Page, label: str) -> Locator:
    return page.locator(".figure", has_text=label).locator(".value")


def minor(text: str) -> int:
    """Whole minor units of a figure with two places."""
    sign = -1 if text.strip().startswith("\N{MINUS SIGN}") else 1
    return sign * int(re.sub(r"[^0-9]", "", text.split(maxsplit=1)[0]))


def violations(page: Page, *, whole: bool) -> list[str]:
    """What axe finds: by every rule, or by those that a change of theme or width alone can break."""
    rules = RULES if whole else {"type": "rule", "values": ["color-contrast", "target-size"]}
    found = Axe().run(page, options={"runOnly": rules}).response["violations"]
    return [f"{one['id']} {one['nodes'][0]['html'][:160]}" for one in found]


def picture(page: Page, name: str) -> None:
    """A screenshot for the documents, when they are asked for: CONDUCTOR_PICTURES=1."""
    if os.environ.get("CONDUCTOR_PICTURES"):
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURES / f"{name}.png")


def test_a_used_link_leads_to_the_sign_in_page(shown: Demo, chrome: Browser, signed_in: Any):
    assert signed_in["cookies"]
    context = chrome.new_context()
    stranger = context.new_page()
    stranger.goto(shown.link)
    expect(stranger.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(stranger.get_by_text("That link was used or has expired.")).to_be_visible()
    assert httpx.get(f"{shown.console}/api/v1/today").status_code == 401
    context.close()


def test_the_first_route_stays_within_its_budget(
    shown: Demo, page: Page, request: pytest.FixtureRequest
):
    asked: list[tuple[str, str, int]] = []
    page.on(
        "response",
        lambda got: asked.append(
            (got.url, got.request.resource_type, int(got.headers.get("content-length", 0)))
        ),
    )
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": 4})
    page.goto(f"{shown.console}/today")
    settle(page)
    paint_ms = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    request.node.user_properties.append(("first_paint_ms_at_a_quarter_of_the_cpu", paint_ms))
    hosts = {urlsplit(url).netloc for url, _, _ in asked if not url.startswith("data:")}
    own = [one for one in asked if not re.search("uplot|/ui/chart|api/v1/demo", one[0])]
    scripts = sum(size for _, kind, size in own if kind == "script")
    assert hosts == {urlsplit(shown.console).netloc}
    assert len(own) <= FIRST_ROUTE_REQUESTS_MAX, [url for url, _, _ in own]
    assert 0 < scripts <= FIRST_ROUTE_SCRIPT_BYTES_MAX


def test_every_place_in_either_theme_at_either_width_keeps_wcag_2_2_aa(
    shown: Demo, chrome: Browser, signed_in: Any
):
    context = chrome.new_context(storage_state=signed_in, bypass_csp=True, reduced_motion="reduce")
    page = context.new_page()
    wrong = watched(page)
    found: list[str] = []
    for place in PLACES:
        page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
        page.goto(f"{shown.console}/{place}")
        settle(page)
        for width, height in (WIDE, PHONE):
            page.set_viewport_size({"width": width, "height": height})
            for theme in ("light", "dark"):
                page.emulate_media(color_scheme=theme)
                whole = (width, theme) in {(WIDE[0], "light"), (PHONE[0], "dark")}
                found += [
                    f"{place} {theme} {width}: {one}" for one in violations(page, whole=whole)
                ]
                if place == "today":
                    picture(page, f"today-{'phone-' if width == PHONE[0] else ''}{theme}")
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > PHONE[0]:
            found.append(f"{place} is {wide} px wide on a phone")
    context.close()
    assert found == []
    assert wrong == []


def test_any_number_leads_in_three_clicks_to_the_vendors_own_page_and_back(shown: Demo, page: Page):
    page.goto(f"{shown.console}/today?date={DAY}")
    settle(page)
    trail = page.get_by_role("complementary", name="Trail")
    figure(page, "Net sales").get_by_role("link").click()
    total = trail.get_by_text(figure(page, "Net sales").get_by_role("link").inner_text())
    expect(total.first).to_be_visible()
    trail.get_by_role("table", name="Sales").get_by_role("link").first.click()
    expect(trail.get_by_role("heading", name="Raw events")).to_be_visible()
    expect(trail.get_by_role("link", name=re.compile("SALES NYC01")).first).to_be_visible()
    picture(page, "trail-light")
    with page.expect_popup() as opened:
        trail.get_by_role("link", name="Open at the till").click()
    expect(opened.value.get_by_text("simulated on this machine")).to_be_visible()
    opened.value.close()
    page.go_back()
    expect(total.first).to_be_visible()
    page.go_back()
    expect(trail).to_have_count(0)


def test_an_event_shows_its_bytes_and_what_became_of_them(shown: Demo, page: Page):
    page.goto(f"{shown.console}/events?kind=order")
    settle(page)
    page.get_by_role("table", name="Events, newest first").get_by_role("link").first.click()
    trail = page.get_by_role("complementary", name="Trail")
    expect(trail.get_by_text("SHA-256")).to_be_visible()
    expect(trail.locator("pre.body")).to_contain_text("line_items")
    expect(trail.get_by_text("Received").first).to_be_visible()


def test_find_leads_to_any_id_by_keyboard(shown: Demo, page: Page):
    page.goto(f"{shown.console}/today")
    settle(page)
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox", name="Find any id, product or page")).to_be_focused()
    page.keyboard.type("HOM-01550")
    expect(page.get_by_role("option").first).to_be_visible()
    page.keyboard.press("Enter")
    trail = page.get_by_role("complementary", name="Trail")
    expect(trail.get_by_role("heading", level=2)).to_contain_text("HOM-01550")
    page.keyboard.press("Escape")
    expect(trail).to_have_count(0)


def test_the_three_steps_of_the_guide_are_done_by_keyboard_alone(shown: Demo, page: Page):
    page.goto(f"{shown.console}/today")
    settle(page)
    guide = page.get_by_role("region", name="Guide")
    trail = page.get_by_role("complementary", name="Trail")
    press(page, guide.get_by_role("link", name="Somebody changed an entry in the ledger"))
    tab_to(page, trail.get_by_label("Reason"))
    page.keyboard.type("the accountant moved one dollar")
    press(page, trail.get_by_role("button", name="Accept with this reason"))
    expect(trail.get_by_role("button", name="Accept with this reason")).to_have_count(0)
    page.keyboard.press("Escape")
    press(page, page.get_by_role("link", name="Today", exact=True).first)
    expect(guide.locator("li.done")).to_have_count(1, timeout=90_000)

    press(page, guide.get_by_role("link", name="records wait in quarantine"))
    press(page, page.get_by_role("table", name="Records in quarantine").get_by_role("link").first)
    body = trail.get_by_role("textbox", name=re.compile("^Body"))
    expect(body).to_be_visible()
    reveal = trail.get_by_role("button", name="Reveal to mend")
    if reveal.count():
        press(page, reveal)
        expect(reveal).to_have_count(0)
    tab_to(page, body)
    mended = body.input_value().replace('"quantity": "two"', '"quantity": "1"')
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(mended)
    press(page, trail.get_by_role("button", name="Check"))
    expect(trail.get_by_text("the contract holds")).to_be_visible()
    press(page, trail.get_by_role("button", name="Mend all with this reason"))
    expect(page.get_by_text("3 mended and sent through again.")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text("Nothing is in quarantine")).to_be_visible(timeout=90_000)

    press(page, page.get_by_role("link", name="Today", exact=True).first)
    press(page, guide.get_by_role("link", name="A late sale needs a second person"))
    press(page, page.get_by_role("button", name=re.compile("^Choose all")))
    press(page, page.get_by_role("button", name=re.compile(r"^Approve \d")))
    press(page, page.get_by_role("link", name="Today", exact=True).first)
    expect(guide.locator("li.done")).to_have_count(3, timeout=90_000)
    posted = page.locator(".figure", has_text="Entries in the ledger").get_by_text("none waits")
    expect(posted).to_be_visible(timeout=90_000)


def test_a_sale_a_gift_card_and_a_refund_at_the_till_reach_the_screen(
    shown: Demo, context: BrowserContext, page: Page
):
    page.goto(f"{shown.console}/today")
    settle(page)
    before = minor(figure(page, "Net sales").inner_text())
    till = context.new_page()
    wrong = watched(till)
    till.goto(shown.till)
    till.get_by_role("button", name=re.compile("Beeswax candle")).click()
    till.get_by_role("button", name="Card", exact=True).click()
    expect(till.get_by_role("status")).to_contain_text("paid by card")
    until(
        lambda: minor(figure(page, "Net sales").inner_text()) == before + 1550, "the sale on Today"
    )
    till.get_by_role("button", name=re.compile("Sell a gift card")).click()
    till.get_by_role("button", name="Cash").click()
    expect(till.get_by_role("status")).to_contain_text("paid by cash")
    till.get_by_role("button", name=re.compile("Stoneware vase")).click()
    till.get_by_role("button", name="Gift card", exact=True).click()
    expect(till.get_by_role("status")).to_contain_text("paid by gift card")
    until(
        lambda: minor(figure(page, "Net sales").inner_text()) == before + 5050, "no sale by a card"
    )
    picture(till, "till")
    sold = till.locator("#sold li", has_text="Beeswax candle").first
    sold.get_by_role("button", name="Refund").click()
    expect(till.get_by_role("status")).to_contain_text("Refunded")
    until(lambda: minor(figure(page, "Net sales").inner_text()) == before + 3500, "the refund")
    assert wrong == []


def test_the_chart_is_told_in_words_and_as_a_table(shown: Demo, page: Page):
    page.goto(f"{shown.console}/live")
    settle(page)
    chart = page.get_by_role("img", name=re.compile("five-minute windows? from"))
    expect(chart).to_be_visible()
    expect(page.locator("footer", has_text=re.compile("five-minute windows? from"))).to_be_visible()
    press(page, page.get_by_role("button", name="Table"))
    expect(page.get_by_role("table", name="Net sales by five minutes")).to_be_visible()
    expect(chart).to_have_count(0)


def test_killed_in_mid_stream_the_server_comes_back_and_the_figures_equal_sql(
    shown: Demo, context: BrowserContext
):
    page = context.new_page()
    page.goto(f"{shown.console}/today")
    settle(page)
    state = page.locator(".live").first
    net = figure(page, "Net sales")
    began = minor(net.inner_text())
    shown.switch("crowd", on=True)
    until(lambda: minor(net.inner_text()) > began, "sales of the crowd on the screen")
    os.kill(shown.gateway_pid(), signal.SIGKILL)
    expect(state).to_contain_text("Reconnecting", timeout=90_000)
    expect(state).to_contain_text("Live", timeout=60_000)
    shown.switch("crowd", on=False)

    until(lambda: not shown.undelivered(), "every webhook delivered", seconds=120)
    until(
        lambda: minor(net.inner_text()) == shown.net_sales_minor(TODAY),
        "the screen's net sales equal to SQL's",
        seconds=120,
    )
    assert minor(net.inner_text()) > began
