"""The console before a house of two stores with weeks behind it: band, transfers, matching by two."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from house import LAST_DAY, WEEKS, house, link
from playwright.sync_api import Browser, Page, ViewportSize, expect
from rig import browser, chromium, picture, press, settle, tab_to, watched
from shop_front import Front

from cloud_conductor.serve import supervisor
from cloud_conductor.wiring import config as loading
from made_breaks import lone, record

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    chromium()
    with house(tmp_path_factory.mktemp("house") / "town") as opened:
        yield opened


@pytest.fixture(scope="module")
def chrome(front: Front) -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@contextmanager
def seen_by(front: Front, chrome: Browser, name: str) -> Iterator[Page]:
    """A page of somebody who has signed in; it may say nothing wrong."""
    size: ViewportSize = {"width": 1360, "height": 900}
    context = chrome.new_context(viewport=size, locale="en-GB", reduced_motion="reduce")
    page = context.new_page()
    wrong = watched(page)
    page.goto(link(front, name))
    expect(page.get_by_role("heading", name="Today")).to_be_visible()
    yield page
    context.close()
    assert wrong == []


@pytest.fixture
def page(front: Front, chrome: Browser) -> Iterator[Page]:
    with seen_by(front, chrome, "owner") as opened:
        yield opened


def asked(page: Page, path: str) -> Any:
    """What the API tells whoever is signed in."""
    return json.loads(page.evaluate("path => fetch(path).then(answer => answer.text())", path))


def test_the_band_of_the_weekday_is_drawn_told_and_tabled(front: Front, page: Page):
    page.goto(f"{front.url}/live?date={LAST_DAY}&store=NYC01")
    settle(page)
    live = asked(page, f"/api/v1/live?date={LAST_DAY}&store=NYC01")
    last = live["course"]["expected"][-1]
    low, high = (f"{last[name] / 100:,.2f}" for name in ("low_minor", "high_minor"))
    chart = page.get_by_role("img", name=f"{WEEKS} Saturdays before had sold {low} to {high}")
    expect(chart.locator("canvas")).to_be_visible()
    assert chart.locator("canvas").evaluate(DRAWN), "the band has its own colour on the canvas"
    picture(page, "live-light")
    press(page, page.get_by_role("button", name="Net sales through Sat 21 Nov as a table"))
    table = page.get_by_role("table", name="Net sales through Sat 21 Nov")
    row = table.get_by_role("row").last
    net = f"{live['course']['actual'][-1]['net_minor'] / 100:,.2f}"
    for figure in (net, low, high):
        expect(row).to_contain_text(figure)
    expect(page.get_by_text("Sat 21 Nov is over: its windows are final.")).to_be_visible()


DRAWN = """node => {
  const probe = document.createElement("i");
  probe.style.color = "var(--band)";
  document.body.append(probe);
  const wanted = getComputedStyle(probe).color.match(/\\d+/g).slice(0, 3).join();
  probe.remove();
  const { data } = node.getContext("2d").getImageData(0, 0, node.width, node.height);
  for (let at = 0; at < data.length; at += 4) {
    if (data[at + 3] === 255 && data.slice(at, at + 3).join() === wanted) return true;
  }
  return false;
}"""


def test_day_and_store_stay_in_the_address_and_now_is_one_link_away(front: Front, page: Page):
    page.goto(f"{front.url}/live?date={LAST_DAY}")
    settle(page)
    expect(page.get_by_text("These stores begin their days apart")).to_be_visible()
    page.get_by_label("Store").select_option("CHI01")
    expect(page).to_have_url(f"{front.url}/live?store=CHI01&date={LAST_DAY}")
    expect(page.get_by_role("img", name="What is usual shows when two earlier")).to_be_visible()
    press(page, page.get_by_role("link", name="What is sold now"))
    expect(page).to_have_url(f"{front.url}/live?store=CHI01")
    expect(page.get_by_text("No sale in the last hours")).to_be_visible()


def test_what_is_sent_is_in_transit_until_it_is_received(front: Front, page: Page):
    page.goto(f"{front.url}/inventory?store=NYC01")
    settle(page)
    book(page, "Receipt", "Quantity", "20")
    book(page, "Count", "Counted", "18")
    book(page, "Transfer", "Quantity", "5")
    way = page.get_by_role("region", name="Transfer from NYC01 to CHI01")
    expect(way.get_by_role("row", name="HOM-VAS 5 0")).to_be_visible()
    way.get_by_label("HOM-VAS that comes now").fill("2")
    press(page, way.get_by_role("button", name="Receive 1 line"))
    expect(way.get_by_role("row", name="HOM-VAS 5 2")).to_be_visible()
    told = asked(page, "/api/v1/inventory/HOM-VAS?store=NYC01")
    assert (told["on_hand"], told["in_transit"]) == ("13", "3")
    press(page, way.get_by_role("button", name="Receive all"))
    expect(way).to_have_count(0)
    told = asked(page, "/api/v1/inventory/HOM-VAS?store=NYC01")
    assert (told["on_hand"], told["in_transit"]) == ("13", "0")
    page.get_by_role("link", name="Vase - Each").click()
    moved = page.get_by_role("table", name="Movements, newest first")
    for kind in ("receipt", "count", "transfer out"):
        expect(moved.get_by_role("row", name=kind).first).to_be_visible()


def book(page: Page, what: str, label: str, number: str) -> None:
    """Book a movement of one product in the store that is chosen."""
    page.get_by_label("What").select_option(what)
    page.get_by_label("SKU", exact=True).fill("HOM-VAS")
    page.get_by_label(label, exact=True).fill(number)
    page.get_by_role("button", name="NYC01").last.click()
    expect(page.get_by_label("SKU", exact=True)).to_have_value("")


def test_one_matches_two_records_and_another_approves(front: Front, chrome: Browser):
    bag, line, other = (
        lone(key, amount, LAST_DAY)
        for key, amount in (("bag 7", 12_000), ("bank line 3", -12_000), ("line 4", -900))
    )
    record(front.house.books_deps, bag, line, other, on=LAST_DAY)
    with seen_by(front, chrome, "finance") as page:
        page.goto(f"{front.url}/reconcile?at=break:{bag.id}")
        settle(page)
        trail = page.get_by_role("complementary", name="Trail")
        press(page, trail.get_by_role("button", name="Find and match"))
        expect(trail.get_by_text("they make up for it exactly")).to_be_visible()
        press(page, trail.get_by_label("Match with line 4"), "Space")
        expect(trail.get_by_text("−9.00 USD")).to_be_visible()
        expect(trail.get_by_role("button", name="Match", exact=True)).to_be_disabled()
        press(page, trail.get_by_label("Match with line 4"), "Space")
        tab_to(page, trail.get_by_label("Why they belong together"))
        page.keyboard.type("the bag of that evening")
        press(page, trail.get_by_role("button", name="Match", exact=True))
        expect(
            trail.get_by_text("finance proposed: matched: the bag of that evening")
        ).to_be_visible()
        expect(trail.get_by_role("button", name="Approve")).to_have_count(0)
    with seen_by(front, chrome, "approver") as page:
        page.goto(f"{front.url}/reconcile?at=break:{line.id}")
        trail = page.get_by_role("complementary", name="Trail")
        expect(trail.get_by_role("table", name="Matched with")).to_contain_text("bag 7")
        press(page, trail.get_by_role("button", name="Approve"))
        expect(trail.get_by_text("resolved").first).to_be_visible()
        assert asked(page, f"/api/v1/breaks/{bag.id}")["state"] == "resolved"


def test_a_changed_configuration_is_told_on_every_page(front: Front, page: Page):
    path = front.house.path
    before = path.read_text()
    supervisor.announce(front.house.state_dir, "worker", loading.digest(path))
    page.goto(f"{front.url}/journals")
    settle(page)
    banner = page.get_by_text("conductor.toml was changed after worker started.")
    expect(banner).to_have_count(0)
    try:
        path.write_text(f"{before}\n[alerts]\nfresh_s_max = 1200.0\n")
        expect(banner).to_be_visible()
    finally:
        path.write_text(before)
    expect(banner).to_have_count(0)
    supervisor.role_file(front.house.state_dir, "worker").unlink()
