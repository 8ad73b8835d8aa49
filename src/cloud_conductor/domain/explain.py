"""What each code means and what to do: the one registry behind `conductor explain`.

CC-nnn are errors of the program (`domain.errors`), Dnn are differences between two records (R-14.4).
The reference page of errors is generated from here, so the two cannot drift apart. A code that an
error carries and this registry lacks fails the build.
"""

import msgspec

from cloud_conductor.domain.errors import ConductorError


class Explanation(msgspec.Struct, frozen=True):
    """One code in four parts. title: the error's class or the break's name."""

    title: str
    what: str
    why: str
    fix: str


ERRORS: dict[str, Explanation] = {
    "CC-000": Explanation(
        "ConductorError",
        "Something failed that has no code of its own.",
        "Every expected failure has one; this is a gap in the product, not in your data.",
        "Read conductor logs --errors and report the line.",
    ),
    "CC-100": Explanation(
        "Transient",
        "The world outside failed in a way that usually passes.",
        "A network, a vendor or a disk did not answer in time. What was running will be tried again.",
        "Run conductor status, then conductor doctor.",
    ),
    "CC-101": Explanation(
        "RateLimited",
        "The vendor asked us to wait.",
        "The organisation's calls per minute or per day are used up, by us or by another program. "
        "Nothing was written by the refused call.",
        "Wait: the run continues by itself when the vendor's time is over. If another program "
        "shares the limit, lower calls_per_minute in [ledger].",
    ),
    "CC-102": Explanation(
        "VendorUnavailable",
        "The vendor gave no answer, or answered with a server error.",
        "The host is down or cannot be reached. If the call was a write, it surely did not happen; "
        "where that is uncertain the code is CC-103.",
        "Run conductor doctor; check base_url and the machine's way out to the network.",
    ),
    "CC-103": Explanation(
        "OutcomeUnknown",
        "A document was sent to the ledger and the answer was lost.",
        "The connection broke after the request left. The document may exist. It is never sent again "
        "blindly: the next attempt looks it up by its posting key first (R-13.6).",
        "Nothing, or sooner by hand: conductor run post looks each one up and sends only what is "
        "missing. What waits: conductor journals list --state sending.",
    ),
    "CC-104": Explanation(
        "LeaseLost",
        "Another process took over this work.",
        "Two schedulers were started, or this one was asleep for longer than its lease. It stopped "
        "before its next write.",
        "Run conductor status and stop one of the two schedulers.",
    ),
    "CC-105": Explanation(
        "DiskPressure",
        "There is not enough free space to promise that an event is kept.",
        "A webhook is acknowledged only when it is durable. With the disk nearly full the intake "
        "answers 503, so that the vendor keeps the event and sends it again.",
        "Free or add disk space below the state and lake folders, then: conductor doctor.",
    ),
    "CC-106": Explanation(
        "TooManyRequests",
        "A caller of the REST API asked more often than it may.",
        "Each signed-in person, API key and address has a number of requests a minute, so that one "
        "caller cannot slow the intake of webhooks. Nothing was done by the refused request.",
        "Wait as long as Retry-After says; raise requests_per_minute in [serve] if that is too little.",
    ),
    "CC-200": Explanation(
        "Permanent",
        "The same act would give the same answer again; a person must change something.",
        "Retrying is of no use here, so nothing retries.",
        "Run conductor doctor, then conductor logs --errors.",
    ),
    "CC-201": Explanation(
        "ConfigError",
        "conductor.toml is wrong or incomplete.",
        "A key is unknown or misspelt, a value has the wrong type, or a secret reference points at "
        "nothing. Unknown keys fail on purpose: a misspelt limit would silently be no limit.",
        "Mend the key that the message names. conductor config show prints each value and its origin.",
    ),
    "CC-202": Explanation(
        "MissingExtra",
        "An optional package is needed for this and is not installed.",
        "The feature lives in an extra, to keep the base install small.",
        "Install the extra that the message names: pip install 'cloud-conductor[EXTRA]'.",
    ),
    "CC-203": Explanation(
        "SignatureRejected",
        "A webhook was not signed with our key, or not over the bytes that arrived.",
        "Most often the notification URL differs from the subscription's by a slash, a scheme or a "
        "query; Square signs the URL together with the body. Else the key was renewed, or the call "
        "is not from the vendor. It was counted and not stored.",
        "Make notification_url byte-identical to the vendor's subscription, then: conductor doctor.",
    ),
    "CC-204": Explanation(
        "VendorRefused",
        "The vendor understood the request and said no.",
        "The token has expired or lacks a permission, or it belongs to the other environment "
        "(sandbox or production).",
        "Renew the token that the reference points at, then: conductor doctor.",
    ),
    "CC-210": Explanation(
        "PostingRejected",
        "The ledger refused a document.",
        "Its own rules said no: an archived account, a locked period, a bank account in a journal. "
        "The other documents of the same call were posted; this one waits.",
        "Correct the account or the mapping, then: conductor run close. What waits: conductor "
        "journals list --state rejected.",
    ),
    "CC-211": Explanation(
        "MappingGap",
        "A role has no ledger account (break D10).",
        "Something new was sold or paid, a department or a tender, and the mapping does not name it. "
        "There is no default account: the one entry is blocked, the others go on (R-6.2).",
        "Add the role that the message names to [mapping] in conductor.toml, raise "
        "mapping_version, then: conductor run close.",
    ),
    "CC-212": Explanation(
        "ApprovalRefused",
        "This person may not approve this entry.",
        "Whoever prepared an entry may not approve it, and the first posting under a new mapping "
        "version is never approved by policy (R-15.3, R-15.4).",
        "Let a second person run: conductor journals approve --as NAME.",
    ),
    "CC-214": Explanation(
        "RepostRefused",
        "An entry was to be posted once more, and nothing says that it is gone.",
        "Only what somebody voided or deleted in the ledger is drafted anew. This one was never "
        "posted, or the ledger still holds it: under its key, dated anew, or without its key (R-13.6).",
        "Run: conductor reconcile; it names the document that stands for the entry.",
    ),
    "CC-213": Explanation(
        "UnknownCurrency",
        "A currency code is not in ISO 4217.",
        "Without its exponent an amount has no meaning, and two digits are never assumed (R-1.2).",
        "Correct it at the source; the record waits in conductor quarantine list.",
    ),
    "CC-220": Explanation(
        "ChecksumMismatch",
        "Stored bytes differ from the digest that was taken when they were written.",
        "A file was edited or damaged after it was written. Raw files are never changed by us.",
        "Restore the file from a backup, then: conductor doctor.",
    ),
    "CC-221": Explanation(
        "CursorGap",
        "A table's position does not meet the log: rows in between would be missing.",
        "The table was restored or removed without its log, or the log was pruned too early. Nothing "
        "was appended.",
        "Run conductor replay: it compares every table and date with the log and changes nothing; with "
        "--rebuild it makes the processed zone anew.",
    ),
    "CC-230": Explanation(
        "BadRequest",
        "A request to the REST API cannot be understood.",
        "A parameter or a field is missing, unknown or of another type; `errors` names each with a "
        "pointer. Writes also need Content-Type: application/json and an Idempotency-Key.",
        "Compare the request with /api/v1/openapi.json (conductor openapi prints it).",
    ),
    "CC-231": Explanation(
        "NotAuthenticated",
        "Nobody is signed in, or the session, link or API key is not valid any more.",
        "Sessions and keys expire, a one-time link works once, and a key can be revoked.",
        "Ask for a new link: conductor users link NAME. For a program: conductor keys create.",
    ),
    "CC-232": Explanation(
        "NotAllowed",
        "The request is understood, and the caller may not do it.",
        "No role of the user allows it, the store is outside of their scope, or a browser sent it from "
        "another site.",
        "conductor users list shows roles and stores; somebody with the role admin changes them.",
    ),
    "CC-233": Explanation(
        "NotFound",
        "There is no such record, or none that the caller may see.",
        "The id is misspelt, or the record belongs to a store outside of the caller's scope.",
        "Look it up by any part of its id: GET /api/v1/find?q=...",
    ),
    "CC-234": Explanation(
        "Conflict",
        "The record is not in the state that the request needs, or an Idempotency-Key was used before "
        "for another request.",
        "Somebody else was faster, or a program uses one key for two acts.",
        "Read the record again; take a new Idempotency-Key for each act.",
    ),
    "CC-235": Explanation(
        "QueryRefused",
        "A query over the facts was refused, or stopped.",
        "It does not parse, names a table or a column that is not there, is not one SELECT, or took too "
        "long.",
        "The tables and their columns are in docs/reference/tables.md; a query may read nothing else.",
    ),
}

BREAKS: dict[str, Explanation] = {
    "D01": Explanation(
        "MISSING_IN_LEDGER",
        "A fact or an entry has no counterpart, and its time has passed.",
        "The entry was never made, its posting failed or is blocked, someone removed the document in "
        "the ledger, or a payout is not in the bank statement.",
        "Not in the books: conductor run close. Not posted: conductor journals list. Void or deleted "
        "in the ledger: conductor journals repost KEY, if it should be there. Not at the bank: look "
        "for it in the statement.",
    ),
    "D02": Explanation(
        "MISSING_IN_POS",
        "The ledger, the processor or the bank has an item without an origin at the till.",
        "A manual entry in one of our accounts, a terminal used alone, or a lost event.",
        "conductor run sweep; if it stays, ask who made the entry.",
    ),
    "D03": Explanation(
        "AMOUNT",
        "The keys agree and the amounts differ.",
        "A tip was adjusted, a payment captured in part, or a figure edited.",
        "Read both sides; correct the wrong one, ours by a delta entry.",
    ),
    "D04": Explanation(
        "DUPLICATE",
        "One item has two counterparts.",
        "A double charge, a document entered twice by hand, or cost booked by two systems.",
        "Reverse the later one.",
    ),
    "D05": Explanation(
        "TIMING",
        "The same item stands on different days in the two records.",
        "A cut-off, a processor's batch, a locked period, or a date changed by hand.",
        "Nothing: it is explained with both dates and clears itself.",
    ),
    "D06": Explanation(
        "TAX",
        "Tax differs by more than rounding allows, or stands with another authority.",
        "The ledger computed tax again, a rate changed, or an exemption is missing.",
        "Turn the ledger's own tax calculation off for these accounts; correct by a delta.",
    ),
    "D07": Explanation(
        "FEE",
        "Gross agrees and net differs.",
        "The processor changed a rate, or charged for a refund.",
        "Post the difference as a fee.",
    ),
    "D08": Explanation(
        "FX",
        "The transaction's currency agrees and the functional amount differs.",
        "Another rate, or the rate of another day.",
        "Post the exchange difference.",
    ),
    "D09": Explanation(
        "UNCOVERED_SOURCE",
        "A tender, a store or a register was seen that nothing settles.",
        "A payment provider is not connected, or a register is new.",
        "Connect the provider, or map the register.",
    ),
    "D10": Explanation(
        "UNPOSTED_ACCOUNT",
        "An amount has no account to go to.",
        "A new department or tender is not in the mapping, or the account is archived.",
        "Add the role to [mapping], raise mapping_version, then: conductor run close.",
    ),
    "D11": Explanation(
        "CASH_CUSTODY",
        "The drawer, the float or the bag does not add up.",
        "A miscount, a drop that was not recorded, or missing money.",
        "Count again; what stays is in cash over/short, a float in cash in transit differences.",
    ),
    "D12": Explanation(
        "EDITED_IN_LEDGER",
        "A document differs from what we posted.",
        "Someone edited it, or the ledger computed its tax again.",
        "Restore it by a delta, or accept it with an approval.",
    ),
    "D13": Explanation(
        "SEQUENCE_GAP",
        "Receipt numbers or event counters skip.",
        "A lost event, or a voided receipt.",
        "conductor run sweep; then prove the void.",
    ),
    "D14": Explanation(
        "INVENTORY",
        "Stock on hand differs from the source or from the ledger's value.",
        "A missed movement, an unknown product, or two systems that both keep stock.",
        "Adjust with a reason.",
    ),
    "D15": Explanation(
        "UNEXPLAINED",
        "What remains when every other code was tried.",
        "Not known: that is what it says.",
        "Investigate. The day is not green until it is zero.",
    ),
    "D16": Explanation(
        "QUARANTINED",
        "The source has the record and it is in our quarantine.",
        "It broke its contract: a wrong type, an unknown store or an unknown currency.",
        "conductor quarantine list; correct the cause, then release it.",
    ),
}

EXPLANATIONS: dict[str, Explanation] = ERRORS | BREAKS


def every_error() -> list[type[ConductorError]]:
    """The classes of `domain.errors`, in the order of their codes."""
    found: list[type[ConductorError]] = []
    waiting: list[type[ConductorError]] = [ConductorError]
    while waiting:
        kind = waiting.pop()
        if kind.__module__ == ConductorError.__module__:
            found.append(kind)
        waiting.extend(kind.__subclasses__())
    return sorted(found, key=lambda kind: kind.code)


def explain(code: str) -> Explanation | None:
    """What a code means; None for a code that does not exist. Case does not matter."""
    return EXPLANATIONS.get(code.strip().upper())
