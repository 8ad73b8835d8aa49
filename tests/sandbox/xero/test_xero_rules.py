"""Each business rule, seen in its refusal; documents go straight into an organisation."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

PATH = "/api.xro/2.0"


def line(amount, code="110", **more):
    return {"LineAmount": Decimal(amount), "AccountCode": code, **more}


def journal(*lines, **more):
    lines = lines or (line("10.00"), line("-10.00", "200"))
    given = {"Narration": "n", "Date": "2026-11-21", "Status": "POSTED"}
    return {**given, "JournalLines": list(lines), **more}


def payout(**more):
    given = {
        "Type": "RECEIVE",
        "Contact": {"Name": "Square"},
        "BankAccount": {"Code": "090"},
        "LineAmountTypes": "NoTax",
        "Date": "2026-11-23",
        "LineItems": [{"Description": "p", "UnitAmount": Decimal("198.98"), "AccountCode": "110"}],
    }
    return {**given, **more}


def put(organisation, collection, *documents, **options):
    body = {collection: list(documents)}
    status, _, answer = organisation.call("PUT", f"{PATH}/{collection}", body, **options)
    return status, answer


def messages(answer):
    return [e["Message"] for one in answer["Elements"] for e in one["ValidationErrors"]]


def account_id(organisation, code):
    return organisation.books.account_by_code(code).account_id


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (journal(line("10.00"), line("-9.99", "200")), "must equal total credits"),
        (journal(line("0.00")), "at least 2 lines"),
        (journal(line("10.001"), line("-10.001", "200")), "2 decimal places"),
        (journal(line("1.00"), line("-1.00", "999")), "'999' is not a valid code"),
        (journal(line("1.00"), line("-1.00", "090")), "'090' is a bank account"),
        (journal(line("1.00"), line("-1.00", "610")), "Accounts Receivable"),
        (journal(line("1.00"), line("-1.00", "800")), "Accounts Payable"),
        (journal(Narration=" "), "Narration must have"),
        (journal(Narration="x" * 4001), "Narration must have"),
        (journal(Date="21/11/2026"), "not a valid date"),
        (journal(Status="VOIDED"), "status VOIDED is not valid"),
        (journal(CurrencyCode="CAD"), "base currency"),
        (journal(LineAmountTypes="Gross"), "LineAmountTypes"),
        (journal({"AccountCode": "110"}, line("1.00")), "LineAmount must be a number"),
        (journal(line("NaN"), line("1.00")), "LineAmount must be a number"),
        (
            journal(line("1.00", TaxType="VAT"), line("-1.00"), LineAmountTypes="Exclusive"),
            "TaxType code 'VAT'",
        ),
    ],
)
def test_journal_that_breaks_a_rule_is_refused_and_not_written(organisation, document, message):
    status, answer = put(organisation, "ManualJournals", document)
    assert (status, answer["ErrorNumber"], answer["Type"]) == (400, 10, "ValidationException")
    assert any(message in found for found in messages(answer)), messages(answer)
    assert organisation.books.journals == {}
    assert organisation.books.ledger == []


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (payout(Contact={}), "must contain at least 1 of the following elements"),
        (payout(BankAccount={"Code": "110"}), "valid bank account is required"),
        (payout(LineItems=[]), "One or more line items"),
        (payout(Type="TRANSFER"), "type 'TRANSFER' is not valid"),
        (payout(CurrencyCode="EUR"), "currency of the bank account is USD"),
        (payout(Reference="r" * 256), "255 characters"),
        (payout(Status="DELETED"), "status DELETED"),
        (
            payout(LineItems=[{"UnitAmount": 1, "AccountCode": "110"}]),
            "Description is required",
        ),
        (
            payout(LineItems=[{"Description": "p", "UnitAmount": -1, "AccountCode": "110"}]),
            "must not be negative",
        ),
        (
            payout(
                LineItems=[
                    {
                        "Description": "p",
                        "Quantity": 3,
                        "UnitAmount": Decimal("0.33"),
                        "LineAmount": 1,
                        "AccountCode": "110",
                    }
                ]
            ),
            "does not match the expected line total 0.99",
        ),
    ],
)
def test_bank_transaction_that_breaks_a_rule_is_refused(organisation, document, message):
    status, answer = put(organisation, "BankTransactions", document)
    assert status == 400
    assert any(message in found for found in messages(answer)), messages(answer)
    assert organisation.books.bank_transactions == {}


def test_unit_amounts_have_four_decimals_only_when_asked(organisation):
    item = {"Description": "p", "Quantity": 100, "UnitAmount": Decimal("0.3333")}
    document = payout(LineItems=[{**item, "AccountCode": "110"}])
    refused, _ = put(organisation, "BankTransactions", document)
    taken, answer = put(organisation, "BankTransactions", document, query={"unitdp": "4"})
    assert (refused, taken) == (400, 200)
    assert answer["BankTransactions"][0]["Total"] == Decimal("33.33")


@pytest.mark.parametrize("field", ["date", "year_end"])
def test_locked_period_refuses_documents_on_or_before_its_date(organisation, field):
    _, made = put(organisation, "ManualJournals", journal())
    organisation.set_lock({field: "2026-11-21"})
    status, answer = put(organisation, "ManualJournals", journal())
    assert (status, len(messages(answer))) == (400, 1)
    assert "lock date" in messages(answer)[0]
    key = made["ManualJournals"][0]["ManualJournalID"]
    voiding = {"Narration": "n", "Status": "VOIDED"}
    assert organisation.call("POST", f"{PATH}/ManualJournals/{key}", voiding)[0] == 400
    moved = {"Narration": "n", "Date": "2026-11-25"}
    assert organisation.call("POST", f"{PATH}/ManualJournals/{key}", moved)[0] == 400
    early = payout(Date="2026-11-20")
    assert put(organisation, "BankTransactions", early)[0] == 400
    assert put(organisation, "ManualJournals", journal(Date="2026-11-22"))[0] == 200
    shown = organisation.call("GET", f"{PATH}/Organisation")[2]["Organisations"][0]
    # 2026-11-21 00:00 UTC in milliseconds since 1970.
    assert "/Date(1795219200000+0000)/" in shown.values()
    organisation.lock(None)
    assert put(organisation, "ManualJournals", journal())[0] == 200


def test_archived_account_is_refused_until_it_is_active_again(organisation):
    path = f"{PATH}/Accounts/{account_id(organisation, '200')}"
    assert organisation.call("POST", path, {"Status": "ARCHIVED"})[0] == 200
    status, answer = put(organisation, "ManualJournals", journal())
    assert (status, messages(answer)) == (400, ["Account code '200' has been archived."])
    assert organisation.call("POST", path, {"Status": "ACTIVE"})[0] == 200
    assert put(organisation, "ManualJournals", journal())[0] == 200


def test_archived_bank_account_takes_no_bank_transaction(organisation):
    path = f"{PATH}/Accounts/{account_id(organisation, '090')}"
    organisation.call("POST", path, {"Status": "ARCHIVED"})
    status, answer = put(organisation, "BankTransactions", payout())
    assert (status, messages(answer)) == (400, ["The bank account '090' has been archived."])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"Code": "200", "Name": "New", "Type": "EXPENSE"}, "unique Code"),
        ({"Code": "999", "Name": "inventory", "Type": "EXPENSE"}, "unique Name"),
        ({"Code": "999", "Name": "New", "Type": "MAGIC"}, "'MAGIC' is not valid"),
        ({"Code": "999", "Name": "New", "Type": "BANK"}, "BankAccountNumber"),
        ({"Name": "New", "Type": "EXPENSE"}, "code is required"),
    ],
)
def test_account_that_breaks_a_rule_is_refused(organisation, body, message):
    status, _, answer = organisation.call("PUT", f"{PATH}/Accounts", body)
    assert status == 400
    assert any(message in found for found in messages(answer))


def test_system_account_cannot_be_archived(organisation):
    path = f"{PATH}/Accounts/{account_id(organisation, '610')}"
    status, _, answer = organisation.call("POST", path, {"Status": "ARCHIVED"})
    assert (status, messages(answer)[0]) == (
        400,
        "You may not update the status of system accounts.",
    )


def test_tracking_takes_two_categories_and_active_options_only(organisation):
    store = next(iter(organisation.books.tracking.values()))
    options = f"{PATH}/TrackingCategories/{store.category_id}/Options"
    _, _, made = organisation.call("PUT", options, {"Name": "NYC01"})
    tag = {"Name": "Store", "Option": "NYC01"}
    tagged = journal(line("1.00", Tracking=[tag]), line("-1.00", "200"))
    assert put(organisation, "ManualJournals", tagged)[0] == 200

    def refusal(*tags):
        document = journal(line("1.00", Tracking=list(tags)), line("-1.00", "200"))
        status, answer = put(organisation, "ManualJournals", document)
        assert status == 400
        return messages(answer)[0]

    assert "'NYC02' does not exist" in refusal({"Name": "Store", "Option": "NYC02"})
    assert "'Region' does not exist" in refusal({"Name": "Region", "Option": "East"})
    assert "2 tracking categories at most" in refusal(tag, tag, tag)
    assert "once on a line" in refusal(tag, tag)
    option_path = f"{options}/{made['Options'][0]['TrackingOptionID']}"
    assert organisation.call("POST", option_path, {"Status": "ARCHIVED"})[0] == 200
    assert "not active" in refusal(tag)
    assert organisation.call("PUT", f"{PATH}/TrackingCategories", {"Name": "Second"})[0] == 200
    third = organisation.call("PUT", f"{PATH}/TrackingCategories", {"Name": "Third"})
    assert third[0] == 400


def test_voided_journal_posts_nothing_and_stays_voided(organisation):
    _, made = put(organisation, "ManualJournals", journal())
    path = f"{PATH}/ManualJournals/{made['ManualJournals'][0]['ManualJournalID']}"
    assert organisation.call("POST", path, {"Narration": "n", "Status": "VOIDED"})[0] == 200
    assert organisation.call("POST", path, {"Narration": "n", "Status": "POSTED"})[0] == 400
    net = {p.account_id: p.net for j in organisation.books.ledger for p in j.postings}
    assert [j.number for j in organisation.books.ledger] == [1, 2]
    assert sum(net.values()) == 0


def test_reconciled_bank_transaction_cannot_be_changed(organisation):
    _, made = put(organisation, "BankTransactions", payout(IsReconciled=True))
    path = f"{PATH}/BankTransactions/{made['BankTransactions'][0]['BankTransactionID']}"
    status, _, answer = organisation.call("POST", path, payout(Status="DELETED"))
    assert (status, len(messages(answer))) == (400, 1)
    assert "reconciled" in messages(answer)[0]


def test_tax_of_a_line_goes_to_the_tax_account_and_is_part_of_the_balance(organisation):
    lines = (line("108.88"), line("-100.00", "200", TaxType="OUTPUT"))
    document = journal(*lines, LineAmountTypes="Exclusive")
    status, answer = put(organisation, "ManualJournals", document)
    # 8.875 % of 100.00 is 8.875, half up 8.88.
    assert (status, answer["ManualJournals"][0]["JournalLines"][1]["TaxAmount"]) == (
        200,
        Decimal("-8.88"),
    )
    (entry,) = organisation.books.ledger
    gst = organisation.books.account_of_system("GST").account_id
    assert [p.net for p in entry.postings if p.account_id == gst] == [Decimal("-8.88")]


@pytest.mark.parametrize(
    "where",
    ["Nonsense==1", "Date>=", 'Narration.Contains("a"', "Date==DateTime(2026,13,1)", "Status=1 2"],
)
def test_filter_that_cannot_be_read_is_refused(organisation, where):
    put(organisation, "ManualJournals", journal())
    status, _, answer = organisation.call("GET", f"{PATH}/ManualJournals", query={"where": where})
    assert (status, answer["Type"]) == (400, "QueryParseException")


def test_filter_language_selects_by_date_status_text_and_brackets(organisation):
    days = ("2026-11-20", "2026-11-21", "2026-11-22")
    documents = [journal(Narration=f"CC day {day}", Date=day) for day in days]
    put(organisation, "ManualJournals", *documents, journal(Status="DRAFT", Narration="draft"))

    def found(where, **more):
        query = {"where": where, "page": "1", **more}
        _, _, answer = organisation.call("GET", f"{PATH}/ManualJournals", query=query)
        return [one["Narration"][-5:] for one in answer["ManualJournals"]]

    assert found('Date>=DateTime(2026,11,21) && Status=="POSTED"') == ["11-21", "11-22"]
    assert found('Narration.Contains("day") AND (Date<DateTime.Parse("2026-11-21") OR '
                 'Date>DateTime(2026,11,21))') == ["11-20", "11-22"]  # fmt: skip
    assert found('Narration.StartsWith("CC")', order="Date DESC", pageSize="2") == [
        "11-22",
        "11-21",
    ]
    assert found("Url==null", pageSize="1", page="4") == ["draft"]


def test_list_without_page_leaves_the_lines_out(organisation):
    put(organisation, "ManualJournals", journal())
    _, _, short = organisation.call("GET", f"{PATH}/ManualJournals")
    _, _, full = organisation.call("GET", f"{PATH}/ManualJournals", query={"page": "1"})
    assert (short["ManualJournals"][0]["JournalLines"], "pagination" in short) == ([], False)
    assert len(full["ManualJournals"][0]["JournalLines"]) == 2


def test_journals_endpoint_needs_the_advanced_tier(organisation):
    assert organisation.call("GET", f"{PATH}/Journals")[0] == 403


def test_unknown_paths_ids_and_methods_have_their_own_status(organisation):
    nobody = "11111111-1111-1111-1111-111111111111"
    assert organisation.call("GET", f"{PATH}/Payroll")[0] == 404
    assert organisation.call("GET", f"{PATH}/ManualJournals/{nobody}")[0] == 404
    assert organisation.call("POST", f"{PATH}/BankTransactions/{nobody}", {})[0] == 404
    assert organisation.call("PUT", f"{PATH}/Organisation", {})[0] == 405
    assert organisation.call("PUT", f"{PATH}/ManualJournals", None)[0] == 400


def test_bank_lines_are_shown_by_the_finance_api_in_their_range(organisation):
    rows = [
        {"bank_account_code": "090", "date": "2026-11-23", "amount": Decimal("198.98"),
         "payee": "SQUARE INC", "reference": "PO1"},
        {"bank_account_code": "090", "date": "2026-12-01", "amount": Decimal("-5.00")},
    ]  # fmt: skip
    organisation.load_bank_lines(rows)
    query = {
        "BankAccountID": account_id(organisation, "090"),
        "FromDate": "2026-11-01",
        "ToDate": "2026-11-30",
    }
    path = "/finance.xro/1.0/BankStatementsPlus/statements"
    status, _, answer = organisation.call("GET", path, query=query)
    (statement,) = answer["statements"]
    (shown,) = statement["statementLines"]
    assert (status, shown["amount"], shown["reference"]) == (200, Decimal("198.98"), "PO1")
    assert statement["indicativeEndBalance"] == Decimal("193.98")
    wrong = {**query, "BankAccountID": account_id(organisation, "110")}
    assert organisation.call("GET", path, query=wrong)[0] == 400


def test_profit_of_an_earlier_year_is_in_retained_earnings(organisation):
    put(organisation, "ManualJournals", journal(Date="2025-12-31"))
    query = {"date": "2026-01-31"}
    _, _, answer = organisation.call("GET", f"{PATH}/Reports/TrialBalance", query=query)
    rows = answer["Reports"][0]["Rows"][1:]
    cells = {row["Cells"][0]["Value"]: row["Cells"][4]["Value"] for s in rows for row in s["Rows"]}
    assert cells["Retained Earnings (960)"] == "10.00"
    assert cells["Sales - Apparel (200)"] == "0.00"


def test_same_seed_and_calls_give_the_same_ids(organisation):
    _, made = put(organisation, "ManualJournals", journal())
    held = organisation.snapshot()
    organisation.restore(held)
    assert organisation.snapshot() == held
    assert made["ManualJournals"][0]["ManualJournalID"] in organisation.books.journals
    assert organisation.books.lock_refusal(date(2026, 11, 21)) is None
