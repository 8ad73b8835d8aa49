"""L6: our posted entries against what the ledger holds now (R-14.1).

It finds what others changed: documents deleted, edited, dated anew, entered twice, and entries by
people on our accounts. Then the balance of each of our accounts is proven against the trial balance.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta

import msgspec

from cloud_conductor.accounting.breaks import Break, Scope, primary
from cloud_conductor.accounting.collected import collected, collected_by
from cloud_conductor.accounting.levels import LevelResult, Tally, not_connected
from cloud_conductor.domain.journal import JournalEntry
from cloud_conductor.domain.money import major
from cloud_conductor.ports.ledger import LedgerDocument

LOST_KEY_DAYS = timedelta(days=31)
NO_TRIAL_BALANCE = "the trial balance is not connected: account balances are not proven"
_Legs = tuple[tuple[str, int], ...]


class Booked(msgspec.Struct, frozen=True):
    """An entry version in our books with its posting key and state (R-13.7)."""

    key: str
    state: str
    entry: JournalEntry

    @property
    def name(self) -> str:
        entry = self.entry
        return f"{entry.kind} {entry.store} {entry.source_id} v{entry.version}"


class LedgerSide(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger said.

    documents: None when not connected; else all of a period, void and foreign ones included, but
    for `settled` ones: those that are the only one under a key of ours and just as posted, with the
    sums per account that they moved. control_accounts: accounts only we should post to.
    trial_balance at the end of `on`; opening: balances of the same accounts when the period began.
    stores: whose names may stand in foreign narrations; of the entries compared without it.
    """

    documents: Sequence[LedgerDocument] | None
    control_accounts: Collection[str]
    on: date
    trial_balance: Mapping[str, int] | None = None
    opening: Mapping[str, int] = msgspec.field(default_factory=dict)
    settled: int = 0
    settled_moved: Mapping[str, int] = msgspec.field(default_factory=dict)
    stores: Collection[str] | None = None


class Paired(msgspec.Struct, frozen=True):
    """An entry and the documents that stand for it. is_keyless: found by content only."""

    booked: Booked
    document: LedgerDocument | None
    extras: tuple[LedgerDocument, ...] = ()
    dead: tuple[LedgerDocument, ...] = ()
    is_keyless: bool = False


class Pairing(msgspec.Struct, frozen=True):
    """Every live document in exactly one place; foreign: those of nobody's key."""

    pairs: tuple[Paired, ...]
    foreign: tuple[LedgerDocument, ...]


def pair_documents(booked: Sequence[Booked], documents: Sequence[LedgerDocument]) -> Pairing:
    """Documents by posting key; then those without one by equal content (R-13.6).

    Of several under a key the first with our content stands for the entry, else the oldest.
    """
    by_key: dict[str, list[LedgerDocument]] = defaultdict(list)
    for document in sorted(documents, key=lambda one: (one.updated_at, one.external_id)):
        by_key[document.key].append(document)
    keys = {one.key for one in booked}
    foreign = [
        document
        for document in documents
        if document.status == "posted" and (not document.key or document.key not in keys)
    ]
    foreign.sort(key=lambda one: (one.updated_at, one.external_id))
    pairs = [_paired(one, by_key.get(one.key, [])) for one in sorted(booked, key=_booked_order)]
    pairs = [_found_by_content(pair, foreign) for pair in pairs]
    pairs = [_with_copies(pair, foreign) for pair in pairs]
    return Pairing(tuple(pairs), tuple(foreign))


def compare_ledger(booked: Sequence[Booked], ledger: LedgerSide, *, currency: str) -> LevelResult:
    """L6 of one organisation.

    booked: every entry that should be in the ledger by now, less the settled ones; one left out
    makes its document foreign.
    """
    if ledger.documents is None:
        return not_connected("L6", "the ledger is not connected")
    tally = Tally("L6")
    tally.match(ledger.settled, ledger.settled, cases=ledger.settled)
    pairing = pair_documents(booked, ledger.documents)
    rights = ledger.settled
    stores = ledger.stores
    if stores is None:
        stores = {one.entry.store for one in booked}
    for pair in pairing.pairs:
        rights += (pair.document is not None) + len(pair.extras)
        _compare(tally, pair)
    for document in pairing.foreign:
        amount = _on_accounts(document, ledger.control_accounts)
        if any(line.account_code in ledger.control_accounts for line in document.lines):
            tally.record(_foreign(document, amount, stores, currency), rights=1)
            rights += 1
    accounts = _balances(tally, booked, ledger, currency)
    return tally.result(len(booked) + ledger.settled + accounts, rights + accounts)


def _compare(tally: Tally, pair: Paired) -> None:
    entry, document = pair.booked.entry, pair.document
    scope = _scope(entry)
    for extra in pair.extras:
        message = f"{pair.booked.name} is in the ledger twice: {_words(extra, entry.currency)}"
        tally.record(
            scope.found(
                "L6",
                "D04",
                f"{pair.booked.key}:{extra.external_id}",
                message,
                amount=-entry.debit_minor,
                left=pair.booked.name,
                right=_words(extra, entry.currency),
                effect=-collected(entry),
            ),
            rights=1,
        )
    if document is None:
        return tally.record(_missing(scope, pair), lefts=1)
    found = _difference(scope, pair, document)
    if found is None:
        return tally.match()
    return tally.record(found, lefts=1, rights=1)


def _missing(scope: Scope, pair: Paired) -> Break:
    entry = pair.booked.entry
    if pair.booked.state != "posted":
        why = f"is {pair.booked.state}, not posted"
    elif pair.dead:
        why = (
            f"was posted and is {pair.dead[0].status} in the ledger now: {pair.dead[0].external_id}"
        )
    else:
        why = "was posted and is not in the ledger any more"
    return scope.found(
        "L6",
        "D01",
        pair.booked.key,
        f"{pair.booked.name} {why}",
        amount=entry.debit_minor,
        left=f"{pair.booked.name}, debit {entry.debit_minor}",
        effect=collected(entry),
    )


def _difference(scope: Scope, pair: Paired, document: LedgerDocument) -> Break | None:
    """What a person changed: amounts (D03), accounts (D12), the date (D05); None for nothing."""
    entry = pair.booked.entry
    codes: dict[str, str] = {}
    if not _same_content(document, entry):
        if _debit(document) != entry.debit_minor:
            ours, theirs = (
                major(minor, entry.currency) for minor in (entry.debit_minor, _debit(document))
            )
            codes["D03"] = f"debit {entry.currency} {ours} posted, {theirs} in the ledger"
        else:
            codes["D12"] = "lines were coded to other accounts"
    elif pair.is_keyless:
        codes["D12"] = "the document lost its posting key"
    if document.ledger_date != entry.ledger_date:
        codes["D05"] = f"posted on {entry.ledger_date}, dated {document.ledger_date} in the ledger"
    if not codes:
        return None
    code = primary(codes)
    moved = document.ledger_date != entry.ledger_date
    effect = collected(entry) - (0 if moved else collected_by(document, entry))
    return scope.found(
        "L6",
        code,
        pair.booked.key,
        f"{pair.booked.name}: {'; '.join(codes.values())}",
        amount=entry.debit_minor - (0 if code == "D05" else _debit(document)),
        left=f"{entry.ledger_date}, debit {entry.debit_minor}",
        right=_words(document, entry.currency),
        effect=effect,
        is_explained=code == "D05",
    )


def _foreign(
    document: LedgerDocument, amount: int, stores: Collection[str], currency: str
) -> Break:
    """A document nobody of us posted, on accounts only we should post to (R-14.1)."""
    named = [store for store in stores if store in document.narration]
    scope = Scope(
        store=named[0] if len(named) == 1 else "",
        business_date=document.ledger_date,
        currency=currency,
    )
    message = f"{_words(document, currency)} was posted by somebody else: {document.narration[:80]}"
    return scope.found(
        "L6", "D02", document.external_id, message, amount=-amount, right=_words(document, currency)
    )


def _balances(tally: Tally, booked: Sequence[Booked], ledger: LedgerSide, currency: str) -> int:
    """Each control account: opening + entries = trial balance, or documents explain it (INV-21).

    What neither our entries nor any listed document explains is D15. Gives the number of accounts.
    """
    if ledger.trial_balance is None:
        tally.note(NO_TRIAL_BALANCE)
        return 0
    ours, theirs = Counter(ledger.settled_moved), Counter(ledger.settled_moved)
    for one in booked:
        if one.entry.ledger_date <= ledger.on:
            for line in one.entry.lines:
                ours[line.account_code] += line.amount_minor
    for document in ledger.documents or ():
        if document.status == "posted" and document.ledger_date <= ledger.on:
            for leg in document.lines:
                theirs[leg.account_code] += leg.amount_minor
    for account in sorted(ledger.control_accounts):
        moved = ledger.trial_balance.get(account, 0) - ledger.opening.get(account, 0)
        if moved == ours[account]:
            tally.match()
        elif moved == theirs[account]:
            tally.explain(lefts=1, rights=1)
        else:
            tally.record(
                Scope(store="", business_date=ledger.on, currency=currency).found(
                    "L6",
                    "D15",
                    f"account:{account}",
                    f"account {account} moved by {moved}, its documents by {theirs[account]}",
                    amount=theirs[account] - moved,
                    left=str(ours[account]),
                    right=str(moved),
                ),
                lefts=1,
                rights=1,
            )
    return len(ledger.control_accounts)


def _paired(one: Booked, documents: Sequence[LedgerDocument]) -> Paired:
    live = [document for document in documents if document.status == "posted"]
    dead = tuple(document for document in documents if document.status != "posted")
    same = next((document for document in live if _same_content(document, one.entry)), None)
    chosen = same or (live[0] if live else None)
    extras = tuple(document for document in live if document is not chosen)
    return Paired(one, chosen, extras, dead)


def _found_by_content(pair: Paired, foreign: list[LedgerDocument]) -> Paired:
    """An entry missing by key may stand there under no key: the one document like it."""
    if pair.document is not None or pair.booked.state != "posted":
        return pair
    entry = pair.booked.entry
    like = [
        document
        for document in foreign
        if _same_content(document, entry)
        and abs(document.ledger_date - entry.ledger_date) <= LOST_KEY_DAYS
    ]
    if len(like) != 1:
        return pair
    foreign.remove(like[0])
    return msgspec.structs.replace(pair, document=like[0], is_keyless=True)


def _with_copies(pair: Paired, foreign: list[LedgerDocument]) -> Paired:
    """Documents of the same date and content as one that is there already: entered twice (D04)."""
    if pair.document is None:
        return pair
    copies = tuple(
        document
        for document in foreign
        if document.ledger_date == pair.booked.entry.ledger_date
        and _same_content(document, pair.booked.entry)
    )
    for copy in copies:
        foreign.remove(copy)
    return msgspec.structs.replace(pair, extras=(*pair.extras, *copies))


def _same_content(document: LedgerDocument, entry: JournalEntry) -> bool:
    """Equal sums per account: a ledger may merge lines of one account."""
    held, posted = Counter[str](), Counter[str]()
    for leg in document.lines:
        held[leg.account_code] += leg.amount_minor
    for line in entry.lines:
        posted[line.account_code] += line.amount_minor
    return {k: v for k, v in held.items() if v} == {k: v for k, v in posted.items() if v}


def _debit(document: LedgerDocument) -> int:
    return sum(line.amount_minor for line in document.lines if line.amount_minor > 0)


def _on_accounts(document: LedgerDocument, accounts: Collection[str]) -> int:
    return sum(line.amount_minor for line in document.lines if line.account_code in accounts)


def _scope(entry: JournalEntry) -> Scope:
    return Scope(store=entry.store, business_date=entry.business_date, currency=entry.currency)


def _words(document: LedgerDocument, currency: str) -> str:
    """A document in one line: `journal 5e1... of 2026-11-21, debit USD 314.68`."""
    amount = f"{currency} {major(_debit(document), currency)}"
    kind = document.document_type
    return f"{kind} {document.external_id} of {document.ledger_date}, debit {amount}"


def _booked_order(one: Booked) -> tuple[date, str, str, str, int]:
    entry = one.entry
    return (entry.business_date, entry.store, entry.kind, entry.source_id, entry.version)
