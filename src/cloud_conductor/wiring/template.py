"""The conductor.toml that `conductor init` writes, from what the seller and the ledger say."""

import re
import unicodedata
from collections.abc import Sequence

import msgspec

from cloud_conductor.ports.ledger import Account


class Place(msgspec.Struct, frozen=True):
    """A location as the POS names it."""

    location_id: str
    name: str
    time_zone: str
    currency: str


class Answers(msgspec.Struct, frozen=True):
    """Everything the file is written from; secrets are references."""

    square_url: str
    square_token: str
    notification_url: str
    xero_url: str
    xero_identity_url: str
    xero_client_id: str
    xero_client_secret: str
    bank_lines: bool
    cutoff: str
    port: int
    clock_start: str
    places: tuple[Place, ...]
    mapping: tuple[tuple[str, str, str], ...]  # role, account code, account name ("" = unknown)
    tax_splits: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = ()  # store, tax, parts
    tracking: str = ""
    calls_per_minute: int = 60
    cutoffs: tuple[tuple[str, str], ...] = ()  # store, cut-off where it differs
    only: tuple[str, ...] = ()  # location ids to take; empty: all
    start_at: str = ""  # when the first sweep begins; empty: at the beginning
    receipts: str = ""  # pattern of receipt numbers; empty: gaps are not looked for
    # of lines, discounts ...: (what, meaning, patterns of names at the till)
    meanings: tuple[tuple[str, str, tuple[str, ...]], ...] = ()


# Role -> words that all stand in the name of the account that suits it, best first.
_HINTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("clearing.square", ("clearing square", "square clearing", "card clearing", "clearing")),
    ("undeposited_cash", ("undeposited", "cash on hand", "till")),
    ("gift_card_liability", ("gift card", "gift certificate")),
    ("store_credit_liability", ("store credit",)),
    ("discounts.*", ("discounts given", "discount")),
    ("service_revenue.*", ("service revenue", "service")),
    ("tips_payable", ("tips payable", "tips", "gratuities")),
    ("merchant_fees.square", ("merchant fees", "card fees", "bank fees")),
    ("dispute_receivable", ("disputes receivable", "dispute receivable", "disputes")),
    ("chargeback_loss", ("chargeback losses", "chargeback loss", "chargebacks", "disputes lost")),
    ("cash_over_short", ("over short", "over and short")),
    ("cash_custody_diff", ("cash in transit", "custody")),
    ("petty_expense.*", ("petty", "general expenses")),
    ("cash_rounding", ("rounding",)),
    ("customer_deposits", ("customer deposits",)),
    ("donations_payable", ("donations",)),
    ("cogs.*", ("cost of goods sold", "cost of sales", "purchases")),
    ("inventory.*", ("inventory", "stock")),
    ("tax_payable.*", ("sales tax payable other", "sales tax payable", "sales tax", "gst", "vat")),
)


def slug(name: str) -> str:
    """Lower-case ASCII word of a department or tax: `Café` -> `cafe`; empty -> `uncategorised`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_") or "uncategorised"


def guess_mapping(
    accounts: Sequence[Account], departments: Sequence[str], jurisdictions: Sequence[str] = ()
) -> tuple[tuple[str, str, str], ...]:
    """Role -> account by the accounts' names; "" where nothing suits (the owner decides, D10)."""
    usable = [a for a in accounts if a.is_active and not a.is_system]
    bank = next((a for a in usable if a.is_bank), None)
    out = [("bank", bank.code if bank else "", bank.name if bank else "")]
    journal = [a for a in usable if not a.is_bank]
    for role, hints in _HINTS:
        found = _first(journal, hints)
        out.append((role, found.code if found else "", found.name if found else ""))
    for name in sorted({*(slug(d) for d in departments), "uncategorised"}):
        for role, word in (("sales", "sales"), ("returns", "returns")):
            specific = "other" if name == "uncategorised" else name.replace("_", " ")
            found = _first(journal, (f"{word} {specific}",)) or _first(journal, (f"{word} other",))
            out.append((f"{role}.{name}", found.code if found else "", found.name if found else ""))
    for jurisdiction in jurisdictions:
        found = _first(journal, (f"tax {jurisdiction}",))
        if found:
            out.append((f"tax_payable.{jurisdiction}", found.code, found.name))
    return tuple(out)


def _first(accounts: Sequence[Account], hints: Sequence[str]) -> Account | None:
    for hint in hints:
        words = set(slug(hint).split("_"))
        for account in accounts:
            if words <= set(slug(account.name).split("_")):
                return account
    return None


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def render(answers: Answers) -> str:
    """The whole file, commented; parses to a valid `Config`."""
    parts = [
        _head(answers),
        _connections(answers),
        *(_store(answers, place) for place in answers.places),
    ]
    if not answers.places:
        parts.append(_EXAMPLE_STORE)
    parts.append(_mapping(answers))
    return "\n".join(parts)


_EXAMPLE_STORE = """# No location could be read. One section a store:
# [stores.NYC01]
# location = "L..."            # the POS's id of the place
# time_zone = "America/New_York"
# cutoff = "04:00"             # local time at which a new business day begins
# currency = "USD"
"""


def _head(answers: Answers) -> str:
    clock = (
        f"\n[clock]\nstart = {_quoted(answers.clock_start)}  # rehearsal: now begins here\n"
        if answers.clock_start
        else ""
    )
    return f"""# Cloud Conductor. Every key: docs/reference/configuration.md, or `conductor config show`.
# Secrets are references (env: file: keyring:), never values.

[gateway]
port = {answers.port}

[lake]
path = "lake"
{clock}"""


def _connections(answers: Answers) -> str:
    start = f"start_at = {_quoted(answers.start_at)}\n" if answers.start_at else ""
    receipts = f"receipts = '{answers.receipts}'\n" if answers.receipts else ""
    return f"""[sources.square]
vendor = "square"
base_url = {_quoted(answers.square_url)}
token = {_quoted(answers.square_token)}
# Byte-identical to the webhook subscription's URL. Empty: `http://127.0.0.1:<port>/hooks/square`.
notification_url = {_quoted(answers.notification_url)}
# "state:" keeps the key of the subscription that `conductor up` makes; or a reference.
signature_key = "state:"
{start}{receipts}{_meanings(answers)}
[ledger]
vendor = "xero"
base_url = {_quoted(answers.xero_url)}
identity_url = {_quoted(answers.xero_identity_url)}
client_id = {_quoted(answers.xero_client_id)}
client_secret = {_quoted(answers.xero_client_secret)}
bank_lines = {str(answers.bank_lines).lower()}  # statement lines need Xero's Finance API
tracking = {_quoted(answers.tracking)}
calls_per_minute = {answers.calls_per_minute}
"""


def _meanings(answers: Answers) -> str:
    lines: list[str] = []
    for what, meaning, names in answers.meanings:
        head = f"[sources.square.meanings.{what}]"
        if head not in lines:
            lines += ["", head]
        lines.append(f"{meaning} = [{', '.join(map(_quoted, names))}]")
    return "".join(f"{line}\n" for line in lines)


def _store(answers: Answers, place: Place) -> str:
    code = place.name if re.fullmatch(r"[A-Za-z0-9_-]+", place.name) else place.location_id
    splits = "".join(
        f"tax_splits.{_quoted(tax)} = {{ "
        + ", ".join(f"{name} = {_quoted(percent)}" for name, percent in parts)
        + " }  # statutory parts of one POS tax (R-10.1)\n"
        for store, tax, parts in answers.tax_splits
        if store == code
    )
    return f"""[stores.{code}]
location = {_quoted(place.location_id)}
time_zone = {_quoted(place.time_zone)}
cutoff = {_quoted(dict(answers.cutoffs).get(code, answers.cutoff))}
currency = {_quoted(place.currency)}
{splits}"""


def _mapping(answers: Answers) -> str:
    lines = [
        "# Role -> ledger account. A role without an account blocks its entry (D10).",
        "[mapping]",
    ]
    for role, code, name in answers.mapping:
        if code:
            lines.append(f"{_quoted(role)} = {_quoted(code)}  # {name}")
        else:
            lines.append(f'# {_quoted(role)} = ""  # no account of the ledger suits by its name')
    return "\n".join(lines) + "\n"
