"""`conductor demo` as a user starts it, and what it keeps read without the product's code."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

RECOMPUTE = Path(__file__).parents[1] / "outside" / "recompute.py"
MARK = re.compile(r"CC (?P<store>\S+) (?P<day>\S+) (?P<kind>[A-Z]+) v\d+ key=")
DEMO_S_MAX = 280
LIVE = ("POSTED", "AUTHORISED")


def inherited() -> dict[str, str]:
    """The environment for processes of ours: they share compiled modules, which saves seconds each."""
    if not sys.dont_write_bytecode:
        return dict(os.environ)
    compiled = Path(tempfile.gettempdir()) / f"conductor-compiled-{os.getuid()}"
    return os.environ | {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(compiled)}


def conductor(
    *arguments: str | Path, environ: Mapping[str, str] | None = None, input_text: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    command = [sys.executable, "-m", "cloud_conductor.cli.main", *map(str, arguments)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=DEMO_S_MAX,
        check=False,
        env={**inherited(), **(environ or {})},
        input=input_text,
    )


@dataclass(frozen=True)
class Demo:
    """One finished demo: what it printed, and the folder it kept."""

    folder: Path
    done: subprocess.CompletedProcess[str]

    @cached_property
    def said(self) -> dict[str, Any]:
        """The object on the last line of standard output."""
        found: dict[str, Any] = json.loads(self.done.stdout.splitlines()[-1])
        return found

    @cached_property
    def ledger(self) -> "Ledger":
        return Ledger(json.loads((self.folder / "xero.json").read_text(), parse_float=Decimal))


def play(folder: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> Demo:
    """Play a demo to its end and keep it."""
    given = ["demo", "--once", "--json", "--keep", str(folder), *arguments]
    return Demo(folder, conductor(*given, environ=environ))


def recompute(folder: Path, said: Mapping[str, Any]) -> subprocess.CompletedProcess[str]:
    """The script that imports nothing of ours, on what a demo kept."""
    return subprocess.run(
        [sys.executable, str(RECOMPUTE), str(folder)],
        input=json.dumps(said),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class Ledger:
    """The simulated organisation's dump: live documents, cents, debit positive."""

    def __init__(self, dump: Mapping[str, Any]) -> None:
        self.documents: list[tuple[str, str, str, list[tuple[str, int]]]] = []
        for row in dump["manual_journals"]:
            if row["status"] in LIVE:
                self._add(row["narration"], _lines(row["lines"], 1))
        for row in dump["bank_transactions"]:
            if row["status"] in LIVE:
                sign = 1 if row["type"].startswith("RECEIVE") else -1
                lines = _lines(row["lines"], -sign)
                bank = (row["bank_account_code"], sign * _cents(row["total"]))
                self._add(row["lines"][0]["description"], [*lines, bank])

    def _add(self, text: str, lines: list[tuple[str, int]]) -> None:
        mark = MARK.search(text)
        assert mark is not None, text
        assert sum(amount for _, amount in lines) == 0, text
        self.documents.append((mark["store"], mark["day"], mark["kind"], lines))

    def entry(self, day: str, kind: str, store: str = "NYC01") -> list[tuple[str, int]]:
        """Lines of the one document of a kind, sorted by account code and amount."""
        found = [lines for s, d, k, lines in self.documents if (s, d, k) == (store, day, kind)]
        assert len(found) == 1, (day, kind, len(found))
        return sorted(found[0])

    def balance(self, *codes: str) -> int:
        """Sum of all documents on these accounts."""
        return sum(
            amount for *_, lines in self.documents for code, amount in lines if code in codes
        )

    def by_day(self, codes: Sequence[str], kind: str) -> dict[tuple[str, str], int]:
        """(store, business date) -> sum of a kind's lines on these accounts."""
        out: dict[tuple[str, str], int] = defaultdict(int)
        for store, day, of_kind, lines in self.documents:
            if of_kind == kind:
                out[store, day] += sum(amount for code, amount in lines if code in codes)
        return dict(out)


def _lines(rows: Sequence[Mapping[str, Any]], sign: int) -> list[tuple[str, int]]:
    return [(row["account_code"], sign * _cents(row["amount"])) for row in rows]


def _cents(amount: Decimal | int) -> int:
    cents = Decimal(amount) * 100
    assert cents == int(cents)
    return int(cents)


# Accounts of the simulated organisation's chart, by number.
BANK, CLEARING, UNDEPOSITED, INVENTORY = "090", "110", "115", "140"
APPAREL, HOME, GROCERY, CAFE, SERVICE, DISCOUNTS = "200", "201", "202", "203", "210", "220"
RETURNS_APPAREL, COGS, FEES, OVER_SHORT, PETTY = "230", "310", "420", "425", "430"
STATE, CITY, DISTRICT, TIPS, GIFT_CARDS = "820", "821", "822", "830", "840"
DAY = "2026-11-21"


def assert_golden(ledger: Ledger) -> None:
    """The golden day as the domain guide writes it (§5 to §8), typed by hand, in cents."""
    sales = ledger.entry(DAY, "SALES")
    assert sales == sorted(
        [
            (CLEARING, 184_07),
            (UNDEPOSITED, 56_57),
            (GIFT_CARDS, 20_00),
            (DISCOUNTS, 9_05),
            (RETURNS_APPAREL, 44_99),
            (APPAREL, -99_98),
            (HOME, -112_50),
            (GROCERY, -7_99),
            (CAFE, -20_40),
            (SERVICE, -5_00),
            (STATE, -7_35),
            (CITY, -8_28),
            (DISTRICT, -68),
            (TIPS, -2_50),
            (GIFT_CARDS, -50_00),
        ]
    )
    assert sum(amount for _, amount in sales if amount > 0) == 314_68
    net = {APPAREL, HOME, GROCERY, CAFE, DISCOUNTS, RETURNS_APPAREL}
    assert -sum(amount for code, amount in sales if code in net) == 186_83
    assert -sum(amount for code, amount in sales if code in {*net, SERVICE}) == 191_83
    tendered = [
        amount
        for code, amount in sales
        if code in {CLEARING, UNDEPOSITED} or (code == GIFT_CARDS and amount > 0)
    ]
    assert sum(tendered) == 260_64
    assert ledger.entry(DAY, "CASH") == [(UNDEPOSITED, -12_50), (OVER_SHORT, 50), (PETTY, 12_00)]
    assert ledger.entry(DAY, "DEPOSIT") == [(BANK, 44_07), (UNDEPOSITED, -44_07)]
    assert ledger.entry(DAY, "FEES") == [(CLEARING, -6_02), (FEES, 6_02)]
    assert ledger.entry(DAY, "COGS") == [(INVENTORY, -77_50), (COGS, 77_50)]
    assert ledger.entry("2026-11-23", "PAYOUT") == [(BANK, 198_98), (CLEARING, -198_98)]
    assert ledger.balance(CLEARING) == 17_93
    assert ledger.balance(UNDEPOSITED) == 0
