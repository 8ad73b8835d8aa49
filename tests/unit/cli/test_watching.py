"""The terminal's Today says what the console's says."""

import io
from datetime import UTC, date, datetime

from rich.console import Console

from cloud_conductor.cli.watching import picture
from cloud_conductor.serve.rest import proving, status, today

NOW = datetime(2026, 11, 24, 15, 4, tzinfo=UTC)
PROOF = status.Proof(
    state="breaks", unexplained_minor=0, difference_minor=-100, currency="USD", codes=["D03"],
    business_dates=[date(2026, 11, 20), date(2026, 11, 23)], compared_at=NOW,
)  # fmt: skip
NOTHING = status.Badges(**dict.fromkeys(status.Badges.__struct_fields__, 0))
MACHINE = status.Status(
    as_of=NOW, business_dates={"NYC01": date(2026, 11, 24)}, health="ok", lag_s=2.4, roles={},
    pending_events=0, last_event_at=NOW, badges=NOTHING,
    freshness=[], entries={}, days={}, proof=PROOF,
    live_proof=proving.LiveProven(3, 1, 0, date(2026, 11, 21), NOW),
)  # fmt: skip


def a_today(**changed: object) -> today.Today:
    sales = today.Sales(
        net_minor=123456, gross_minor=130000, discounts_minor=0, returns_minor=6544, tax_minor=0,
        tips_minor=0, collected_minor=123456, orders=42, units="60", aov_minor=2939,
        same_weekday_minor=None, expected_minor=None, expected_low_minor=None,
        expected_high_minor=None, last_sale_at=NOW,
    )  # fmt: skip
    store = today.StoreDay(
        store="NYC01", name="NYC01", currency="USD", net_minor=123456, orders=42, units="60",
        last_sale_at=NOW, silent_min=31, is_dead_till=True, day_state="OPEN", expected_minor=None,
        open_breaks=1, unexplained_minor=0,
    )  # fmt: skip
    need = today.Need(
        id="1", kind="journals", severity="warning", text="3 journals wait for approval", count=3,
        action=today.Act(label="Approve", kind="journals"),
    )  # fmt: skip
    ledger = today.Ledger(
        business_date=date(2026, 11, 23), pos_minor=100, ledger_minor=0, difference_minor=-100,
        unexplained_minor=0, stores_differing=1, state="breaks",
    )  # fmt: skip
    facts = {
        "as_of": NOW, "business_date": date(2026, 11, 24), "currency": "USD",
        "mixed_currencies": False, "sales": sales, "ledger": ledger,
        "journals": today.Journals(total=13, posted=10, waiting=3, by_state={}),
        "freshest": today.Freshest(source="square", at=NOW, age_s=2.0),
        "needs_you": [need], "stores": [store],
    }  # fmt: skip
    return today.Today(**{**facts, **changed})


def drawn(now: today.Today) -> str:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(picture(now, MACHINE))
    return console.export_text()


def test_the_picture_holds_the_figures_the_proof_and_what_waits():
    text = drawn(a_today())
    for said in (
        "Today  Tue 24 Nov",
        "live, 2 s behind",
        "1234.56 USD in 42 sales",
        "10 of 13 posted, 3 wait",
        "2 s ago, square",
        "unexplained 0.00, named D03 (breaks)",
        "3 dates alike, 1 not",
        "no sale 31 min",
        "needs you   3 journals wait for approval",
    ):
        assert said in text, said


def test_an_idle_house_says_that_nothing_waits():
    text = drawn(a_today(needs_you=[], freshest=None))
    assert "nothing waits for you" in text
    assert "none yet" in text
