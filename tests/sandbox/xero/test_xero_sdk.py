"""The vendor's own SDK drives the simulator; conftest checks every exchange officially."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import httpx
import pytest
from xero_python.accounting import (
    Account,
    Accounts,
    AccountType,
    BankTransaction,
    BankTransactions,
    Contact,
    Contacts,
    LineAmountTypes,
    LineItem,
    ManualJournal,
    ManualJournalLine,
    ManualJournals,
    TrackingCategory,
    TrackingOption,
)
from xero_python.exceptions import HTTPStatusException

DAY = date(2026, 11, 21)


def journal(narration="CC NYC01 2026-11-21", amount="314.68", **more):
    lines = [
        ManualJournalLine(line_amount=Decimal(amount), account_code="110"),
        ManualJournalLine(line_amount=-Decimal(amount), account_code="200"),
    ]
    given = {"status": "POSTED", "date": DAY, "journal_lines": lines, **more}
    return ManualJournal(narration=narration, line_amount_types=LineAmountTypes.NOTAX, **given)


def payout(reference="PO1", amount="198.98"):
    line = LineItem(description="Payout", unit_amount=Decimal(amount), account_code="110")
    return BankTransaction(
        type="RECEIVE",
        contact=Contact(name="Square"),
        bank_account=Account(code="090"),
        line_items=[line],
        line_amount_types=LineAmountTypes.NOTAX,
        reference=reference,
        date=date(2026, 11, 23),
    )


def test_connection_and_organisation_name_the_same_tenant(served, identity, accounting):
    (connection,) = identity.get_connections()
    assert connection.tenant_id == served.tenant
    (organisation,) = accounting.get_organisations(connection.tenant_id).organisations
    assert organisation.base_currency.value == "USD"
    assert organisation.name == connection.tenant_name == "Corner Shop (sandbox)"


def test_refreshed_token_goes_on_and_the_used_one_ends(served, api_client, accounting):
    authorize = {
        "response_type": "code",
        "client_id": "sandbox-xero-client",
        "redirect_uri": "http://127.0.0.1/back",
        "scope": "offline_access accounting.transactions",
        "state": "s1",
    }
    sent = served.client.get("/identity/connect/authorize", params=authorize)
    back = httpx.URL(sent.headers["location"]).params
    assert (sent.status_code, back["state"]) == (302, "s1")
    form = {
        "grant_type": "authorization_code",
        "code": back["code"],
        "redirect_uri": "http://127.0.0.1/back",
        "client_id": "sandbox-xero-client",
        "client_secret": "sandbox-xero-secret",
    }
    first = served.client.post("/connect/token", data=form).json()
    served.token = {**first, "scope": first["scope"].split()}
    token = api_client.configuration.oauth2_token
    token.update_token(**served.token)
    assert token.refresh_access_token(api_client)
    assert served.token["refresh_token"] != first["refresh_token"]
    assert accounting.get_organisations(served.tenant).organisations
    assert token.refresh_access_token(api_client)
    again = {**form, "grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    refused = served.client.post("/connect/token", data=again)
    assert (refused.status_code, refused.json()) == (400, {"error": "invalid_grant"})


def test_revoked_connection_refuses_its_tokens(served, api_client, accounting):
    code = served.sandbox.identity.authorize(
        {
            "response_type": "code",
            "client_id": "sandbox-xero-client",
            "redirect_uri": "http://127.0.0.1/back",
            "scope": "offline_access",
        }
    )
    form = {
        "grant_type": "authorization_code",
        "code": httpx.URL(code).params["code"],
        "redirect_uri": "http://127.0.0.1/back",
    }
    basic = httpx.BasicAuth("sandbox-xero-client", "sandbox-xero-secret")
    pair = served.client.post("/connect/token", data=form, auth=basic).json()
    served.token = {**pair, "scope": ["offline_access"]}
    api_client.configuration.oauth2_token.update_token(**served.token)
    headers = served.headers
    assert api_client.configuration.oauth2_token.revoke_access_token(api_client)
    assert served.client.get("/connections", headers=headers).status_code == 401
    gone = {**form, "grant_type": "refresh_token", "refresh_token": pair["refresh_token"]}
    assert served.client.post("/connect/token", data=gone, auth=basic).status_code == 400


def test_account_is_created_found_and_archived(served, accounting):
    made = accounting.create_account(
        served.tenant, Account(code="436", name="Donated goods", type=AccountType.EXPENSE)
    ).accounts[0]
    found = accounting.get_accounts(served.tenant, where='Code=="436"').accounts
    assert [account.account_id for account in found] == [made.account_id]
    archived = Accounts(accounts=[Account(status="ARCHIVED")])
    accounting.update_account(served.tenant, made.account_id, archived)
    again = accounting.get_account(served.tenant, made.account_id).accounts[0]
    assert again.status == "ARCHIVED"
    with pytest.raises(HTTPStatusException) as refusal:
        accounting.create_account(
            served.tenant, Account(code="200", name="x", type=AccountType.EXPENSE)
        )
    assert refusal.value.status == 400


def test_tracking_options_come_on_demand_and_tag_lines(served, accounting):
    (store,) = accounting.get_tracking_categories(served.tenant).tracking_categories
    assert (store.name, store.options) == ("Store", [])
    (option,) = accounting.create_tracking_options(
        served.tenant, store.tracking_category_id, TrackingOption(name="NYC01")
    ).options
    tagged = journal()
    tagged.journal_lines[0].tracking = [TrackingCategory(name="Store", option="NYC01")]
    made = accounting.create_manual_journals(
        served.tenant, ManualJournals(manual_journals=[tagged])
    ).manual_journals[0]
    (tag,) = made.journal_lines[0].tracking
    assert (tag.option, tag.tracking_category_id) == ("NYC01", store.tracking_category_id)
    assert option.name == "NYC01"
    (second,) = accounting.create_tracking_category(
        served.tenant, TrackingCategory(name="Channel")
    ).tracking_categories
    renamed = accounting.update_tracking_category(
        served.tenant, second.tracking_category_id, TrackingCategory(name="Register")
    ).tracking_categories[0]
    assert renamed.name == "Register"


def test_manual_journal_is_created_read_by_date_changed_and_voided(served, accounting):
    accounting.create_manual_journals(
        served.tenant, ManualJournals(manual_journals=[journal(), journal("older", "1.00")])
    )
    other = journal("next day", "2.00", date=DAY + timedelta(days=1))
    accounting.create_manual_journals(served.tenant, ManualJournals(manual_journals=[other]))
    where = "Date>=DateTime(2026,11,21) AND Date<DateTime(2026,11,22)"
    page = accounting.get_manual_journals(served.tenant, where=where, page=1, page_size=10)
    assert [j.narration for j in page.manual_journals] == ["CC NYC01 2026-11-21", "older"]
    assert page.pagination.item_count == 2
    first = page.manual_journals[0]
    assert [line.line_amount for line in first.journal_lines] == [
        Decimal("314.68"),
        Decimal("-314.68"),
    ]
    assert first.date == DAY
    key = first.manual_journal_id
    changed = journal("changed", "10.00")
    accounting.update_manual_journal(served.tenant, key, ManualJournals(manual_journals=[changed]))
    voided = ManualJournals(manual_journals=[ManualJournal(narration="changed", status="VOIDED")])
    accounting.update_manual_journal(served.tenant, key, voided)
    (last,) = accounting.get_manual_journal(served.tenant, key).manual_journals
    assert (last.status, last.narration) == ("VOIDED", "changed")
    versions = served.dump()["manual_journals"][0]["versions"]
    assert [version["status"] for version in versions] == ["POSTED", "POSTED", "VOIDED"]
    numbered = accounting.get_journals(served.tenant, offset=0).journals
    assert sum(line.net_amount for j in numbered for line in j.journal_lines) == 0
    assert [j.journal_number for j in numbered] == list(range(1, 7))


def test_batch_without_summary_tells_an_outcome_for_each(served, accounting):
    unbalanced = journal("bad")
    unbalanced.journal_lines[1].line_amount = Decimal("-314.67")
    batch = ManualJournals(manual_journals=[journal("good"), unbalanced, journal("good too")])
    answer = accounting.create_manual_journals(served.tenant, batch, summarize_errors=False)
    outcomes = [j.status_attribute_string for j in answer.manual_journals]
    assert outcomes == ["OK", "ERROR", "OK"]
    (error,) = answer.manual_journals[1].validation_errors
    assert error.message == "The total debits (314.68) must equal total credits (-314.67)"
    assert [j["narration"] for j in served.dump()["manual_journals"]] == ["good", "good too"]


def test_batch_with_summary_is_refused_whole(served, accounting):
    bad = journal("bad")
    bad.journal_lines = bad.journal_lines[:1]
    batch = ManualJournals(manual_journals=[journal("good"), bad])
    with pytest.raises(HTTPStatusException) as refusal:
        accounting.create_manual_journals(served.tenant, batch, summarize_errors=True)
    assert refusal.value.status == 400
    assert served.dump()["manual_journals"] == []


def test_journals_changed_since_an_instant_are_found(served, accounting):
    accounting.create_manual_journals(served.tenant, ManualJournals(manual_journals=[journal()]))
    served.client.post("/sandbox/clock", json={"now": "2026-11-24T10:00:00Z"})
    accounting.create_manual_journals(
        served.tenant, ManualJournals(manual_journals=[journal("late")])
    )
    since = datetime(2026, 11, 24, tzinfo=UTC)
    found = accounting.get_manual_journals(served.tenant, if_modified_since=since)
    assert [j.narration for j in found.manual_journals] == ["late"]


def test_idempotency_key_replays_the_same_document(served, accounting):
    batch = ManualJournals(manual_journals=[journal()])
    made = [
        accounting.create_manual_journals(served.tenant, batch, idempotency_key="key-1")
        for _ in range(2)
    ]
    ids = {answer.manual_journals[0].manual_journal_id for answer in made}
    held = served.dump()["manual_journals"]
    assert ids == {held[0]["id"]}
    assert (len(held), held[0]["idempotency_key"]) == (1, "key-1")


def test_bank_transaction_makes_its_contact_and_is_found_by_reference(served, accounting):
    answer = accounting.create_bank_transactions(
        served.tenant, BankTransactions(bank_transactions=[payout(), payout("PO2", "17.93")])
    )
    made = answer.bank_transactions[0]
    assert (made.total, made.bank_account.code) == (Decimal("198.98"), "090")
    found = accounting.get_bank_transactions(
        served.tenant, where='Reference=="PO1" AND Type=="RECEIVE"', page=1
    ).bank_transactions
    assert [one.bank_transaction_id for one in found] == [made.bank_transaction_id]
    assert found[0].line_items[0].line_amount == Decimal("198.98")
    contacts = accounting.get_contacts(served.tenant, where='Name=="Square"').contacts
    assert [c.contact_id for c in contacts] == [made.contact.contact_id]
    deleted = payout()
    deleted.status = "DELETED"
    accounting.update_bank_transaction(
        served.tenant, made.bank_transaction_id, BankTransactions(bank_transactions=[deleted])
    )
    (gone,) = accounting.get_bank_transaction(
        served.tenant, made.bank_transaction_id
    ).bank_transactions
    assert gone.status == "DELETED"


def test_contact_is_created_and_updated(served, accounting):
    (made,) = accounting.create_contacts(
        served.tenant, Contacts(contacts=[Contact(name="Square")])
    ).contacts
    changed = Contacts(contacts=[Contact(name="Square", email_address="ap@square.example")])
    (again,) = accounting.update_or_create_contacts(served.tenant, changed).contacts
    assert (again.contact_id, again.email_address) == (made.contact_id, "ap@square.example")


def test_reports_agree_with_the_documents(served, accounting):
    accounting.create_manual_journals(served.tenant, ManualJournals(manual_journals=[journal()]))
    accounting.create_bank_transactions(
        served.tenant, BankTransactions(bank_transactions=[payout()])
    )
    report = accounting.get_report_trial_balance(served.tenant, date=date(2026, 11, 30)).reports[0]
    cells = {
        row.cells[0].value: [cell.value for cell in row.cells[1:]]
        for section in report.rows[1:]
        for row in section.rows
    }
    # 314.68 - 198.98 = 115.70 stays in clearing.
    assert cells == {
        "Sales - Apparel (200)": ["", "314.68", "", "314.68"],
        "Business Bank (090)": ["198.98", "", "198.98", ""],
        "Card clearing - Square (110)": ["115.70", "", "115.70", ""],
        "Total": ["314.68", "314.68", "314.68", "314.68"],
    }
    bank = accounting.get_report_bank_summary(
        served.tenant, from_date=date(2026, 11, 1), to_date=date(2026, 11, 30)
    ).reports[0]
    values = [cell.value for cell in bank.rows[1].rows[0].cells]
    assert values == ["Business Bank", "0.00", "198.98", "0.00", "198.98"]
    profit = accounting.get_report_profit_and_loss(
        served.tenant, from_date=date(2026, 11, 1), to_date=date(2026, 11, 30)
    ).reports[0]
    assert profit.rows[-1].rows[0].cells[1].value == "314.68"
