"""The console in a real browser before a demo that runs: by keyboard, by WCAG, through a crash."""

import os
import re
import signal
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect
from rig import (
    Cashier,
    Demo,
    browser,
    call,
    chromium,
    demo,
    picture,
    press,
    settle,
    tab_to,
    until,
    watched,
)  # fmt: skip

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
WIDE, PHONE = (1360, 900), (390, 844)
FIRST_ROUTE_REQUESTS_MAX, FIRST_ROUTE_SCRIPT_BYTES_MAX = 14, 90_000
FIRST_PAINT_MS_MAX, PAINTS, BUSY = 1_000, 5, 3
DAY, TODAY = "2026-11-21", "2026-11-24"
SWITCHES = (
    "Drop the network", "Lose replies", "Send duplicates", "Shuffle the order",
    "Change the schema", "Ten times Black Friday",
)  # fmt: skip
PLACES = (
    "today", "live", "reconcile", f"reconcile?date={DAY}", "journals", "review", "inventory",
    "customers", "events", "events?show=quarantine", "pipelines", "settings",
    "settings?tab=mapping", "settings?tab=people", "settings?tab=audit",
    f"live?date={DAY}", "today?at=alerts:open",
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
    paint_ms = first_paint_ms(page)
    hosts = {urlsplit(url).netloc for url, _, _ in asked if not url.startswith("data:")}
    own = [one for one in asked if not re.search("uplot|/ui/chart|api/v1/demo", one[0])]
    scripts = sum(size for _, kind, size in own if kind == "script")
    assert hosts == {urlsplit(shown.console).netloc}
    assert len(own) <= FIRST_ROUTE_REQUESTS_MAX, [url for url, _, _ in own]
    assert 0 < scripts <= FIRST_ROUTE_SCRIPT_BYTES_MAX
    for _ in range(PAINTS):
        if paint_ms <= FIRST_PAINT_MS_MAX:
            break
        page.reload()
        settle(page)
        paint_ms = min(paint_ms, first_paint_ms(page))
    request.node.user_properties.append(("first_paint_ms_at_a_quarter_of_the_cpu", paint_ms))
    if os.getloadavg()[0] < BUSY * (os.cpu_count() or 1):  # else the others would be measured
        assert paint_ms <= FIRST_PAINT_MS_MAX


def first_paint_ms(page: Page) -> float:
    """From the click to the first text on the screen."""
    paints = "performance.getEntriesByName('first-contentful-paint').map((one) => one.startTime)"
    found: float = page.evaluate(paints)[0]
    return found


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
        found += [f"{place} on a phone: {one}" for one in page.evaluate(TOO_WIDE)]
    context.close()
    assert found == []
    assert wrong == []


TOO_WIDE = """() => {
  const page = document.documentElement;
  const tables = [...document.querySelectorAll(".scroll")];
  const hidden = tables.filter((one) => one.scrollWidth > one.clientWidth + 1);
  return [...hidden.map((one) => `${one.querySelector("caption").textContent} hides a column`),
    ...(page.scrollWidth > innerWidth ? [`the page is ${page.scrollWidth} px wide`] : [])];
}"""


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
    page.keyboard.type("HOM-01550")
    expect(page.get_by_role("combobox", name="Find any id, product or page")).to_have_value(
        "HOM-01550"
    )
    expect(page.get_by_role("option").first).to_be_visible()
    page.keyboard.press("Enter")
    trail = page.get_by_role("complementary", name="Trail")
    expect(trail.get_by_role("heading", level=2)).to_contain_text("HOM-01550")
    page.keyboard.press("Escape")
    expect(trail).to_have_count(0)


def test_keys_that_come_before_the_find_box_are_kept(shown: Demo, context: BrowserContext):
    page = context.new_page()
    waiting: list[Route] = []

    def hold(route: Route) -> None:
        waiting.append(route)

    page.route("**/ui/palette.js", hold)
    page.goto(f"{shown.console}/today")
    settle(page)
    until(lambda: page.evaluate("1") and waiting, "the box is fetched before anybody asks for it")
    page.keyboard.press("Control+k")
    page.keyboard.type("HOM-0155x")
    page.keyboard.press("Backspace")
    waiting[0].continue_()
    box = page.get_by_role("combobox", name="Find any id, product or page")
    expect(box).to_have_value("HOM-0155")
    page.keyboard.type("0")
    expect(box).to_have_value("HOM-01550")
    expect(page.get_by_role("option", name="HOM-01550").first).to_be_visible()
    page.close()


@pytest.mark.parametrize(
    ("place", "figure_of", "vendor"),
    [
        (f"live?date={DAY}", "Stores against what is usual", "Open at the till"),
        (f"reconcile?date={DAY}", "Ledger", "Open in the ledger"),
        ("journals?state=posted", "Entries", "Open in the ledger"),
        (f"customers?date={DAY}", "Receipts", "Open at the till"),
    ],
)
def test_the_money_of_a_page_leads_to_the_vendor_in_three_clicks_and_back(
    shown: Demo, page: Page, place: str, figure_of: str, vendor: str
):
    page.goto(f"{shown.console}/{place}")
    settle(page)
    trail = page.get_by_role("complementary", name="Trail")
    table = page.get_by_role("table", name=figure_of).first
    table.locator("a[href*='at=']").last.click()
    clicks = 1
    if place.startswith("live"):
        trail.get_by_role("table", name="Sales").get_by_role("link").first.click()
        clicks += 1
    expect(trail.get_by_role("link", name=vendor)).to_be_visible()
    for _ in range(clicks):
        page.go_back()
    expect(trail).to_have_count(0)


def test_an_alert_is_taken_on_and_leads_to_its_cause_by_keyboard(shown: Demo, page: Page):
    page.goto(f"{shown.console}/review")
    settle(page)
    trail = page.get_by_role("complementary", name="Trail")
    press(page, page.get_by_role("link", name=re.compile("^Alerts")))
    press(page, trail.get_by_role("link", name="Order of square changed its shape"))
    tab_to(page, trail.get_by_label("Note"))
    picture(page, "alert-light")
    page.keyboard.type("asked the vendor")
    press(page, trail.get_by_role("button", name="Take it on"))
    expect(trail.get_by_text("taken on by owner")).to_be_visible()
    expect(trail.get_by_text("asked the vendor")).to_be_visible()
    press(page, trail.get_by_role("link", name="See the records in quarantine"))
    expect(page.get_by_role("table", name="Records in quarantine")).to_be_visible()
    page.go_back()
    expect(trail.get_by_text("taken on by owner")).to_be_visible()
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
    press(page, page.get_by_role("button", name="Net sales by five minutes as a table"))
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
    see_it_rise(net)
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


def test_whatever_is_broken_the_proof_line_holds_or_names_the_cause(shown: Demo, page: Page):
    page.goto(f"{shown.console}/today")
    settle(page)
    panel = page.get_by_role("region", name="Break something")
    proof = page.locator("[data-proof]")
    net = figure(page, "Net sales")
    with shown.cashier() as cashier:
        for title in SWITCHES:
            panel.get_by_role("button", name=title).click()
            if title == SWITCHES[0]:
                expect(panel.get_by_role("button", name=title, pressed=True)).to_be_visible()
                page.reload()
                settle(page)
            expect(panel.get_by_role("button", name=title, pressed=True)).to_be_visible()
            expect(panel.get_by_text(f"{title} is on.")).to_be_visible()
            if title == "Lose replies":
                post_a_late_sale(shown, page, cashier)
            elif title == "Ten times Black Friday":
                see_it_rise(net)
            else:
                cashier.sell_through()
            if title == "Change the schema":
                expect(page.get_by_text(re.compile("records? in quarantine: "))).to_be_visible()
            assert is_named(proof), title
            panel.get_by_role("button", name=title).click()
            expect(panel.get_by_role("button", name=title, pressed=False)).to_be_visible()
    until(lambda: not shown.undelivered(), "every webhook delivered", seconds=120)
    before = call(page, "GET", "/status")["proof"]["compared_at"]
    call(page, "POST", "/runs", {"what": "sweep", "dates": []})
    until(
        lambda: minor(net.inner_text()) == shown.net_sales_minor(TODAY),
        "the screen's net sales equal to SQL's",
        seconds=120,
    )
    call(page, "POST", "/runs", {"what": "reconcile", "dates": [DAY]})
    until(
        lambda: call(page, "GET", "/status")["proof"]["compared_at"] != before,
        "till and ledger compared again",
        seconds=120,
    )
    assert is_named(proof)


def see_it_rise(net: Locator) -> None:
    began = minor(net.inner_text())
    until(lambda: minor(net.inner_text()) > began, "sales of the crowd on the screen")


def is_named(proof: Locator) -> bool:
    """Nothing is unexplained; and where till and ledger differ, the line names why."""
    expect(proof).to_have_attribute("data-proof", "0")
    return "difference 0.00" in proof.inner_text() or "named" in proof.inner_text()


def post_a_late_sale(shown: Demo, page: Page, cashier: Cashier) -> None:
    """A sale of a day that was posted: its correction is drafted, approved, and posted once."""

    def keys_in(state: str) -> set[str]:
        found = call(page, "GET", f"/journals?state={state}&from={DAY}&to={DAY}")["items"]
        return {one["key"] for one in found}

    posted, waiting = keys_in("posted"), keys_in("draft")
    cashier.sell_late(DAY, call(page, "GET", "/session")["now"])
    until(lambda: not shown.undelivered(), "the sale's webhooks delivered")
    until(lambda: not call(page, "GET", "/status")["pending_events"], "the sale taken in")
    call(page, "POST", "/runs", {"what": "close", "dates": [DAY]})

    def drafted() -> list[str]:
        return sorted(keys_in("draft") - waiting)

    keys = until(drafted, "the correction is drafted", seconds=120)
    call(page, "POST", "/journals/approve", {"keys": keys, "reason": "seen in the till"})
    call(page, "POST", "/journals/post", {})
    until(
        lambda: call(page, "GET", f"/journals/{keys[0]}")["state"] == "posted",
        "the correction is in the ledger",
        seconds=120,
    )
    assert set(keys) & keys_in("posted") - posted
