"""Contacts, as far as a bank transaction needs them: found by id or name, made on the fly."""

from __future__ import annotations

from typing import Any

from cloud_conductor.sandbox.xero import where
from cloud_conductor.sandbox.xero.batch import Prepared, write
from cloud_conductor.sandbox.xero.books import Books, Contact
from cloud_conductor.sandbox.xero.wire import Ask, ms_instant, not_found

NAME_MAX = 255
FIELDS: where.Fields = {
    "ContactID": lambda c: c.contact_id,
    "Name": lambda c: c.name,
    "EmailAddress": lambda c: c.email or None,
    "ContactStatus": lambda c: c.status,
    "UpdatedDateUTC": lambda c: c.updated_at,
}


def show(contact: Contact) -> dict[str, Any]:
    """The contact as Xero shows it."""
    return {
        "ContactID": contact.contact_id,
        "ContactStatus": contact.status,
        "Name": contact.name,
        "EmailAddress": contact.email,
        "Addresses": [],
        "Phones": [],
        "ContactGroups": [],
        "ContactPersons": [],
        "HasValidationErrors": False,
        "UpdatedDateUTC": ms_instant(contact.updated_at),
    }


def find(books: Books, entry: Any, problems: list[str]) -> str | None:
    """Id of the contact that `{"ContactID"}` or `{"Name"}` means, None for a name not seen yet.

    What is wrong is added to `problems`.
    """
    entry = entry if isinstance(entry, dict) else {}
    if wanted := entry.get("ContactID"):
        if str(wanted).lower() in books.contacts:
            return str(wanted).lower()
        problems.append(f"The contact '{wanted}' does not exist")
        return None
    name = entry.get("Name")
    if not isinstance(name, str) or not name.strip() or len(name) > NAME_MAX:
        problems.append(
            "The Contact must contain at least 1 of the following elements to identify the "
            "contact: Name, ContactID, ContactNumber"
        )
        return None
    known = books.contact_by_name(name.strip())
    return known.contact_id if known else None


def named(books: Books, name: str, ask: Ask) -> str:
    """Id of the contact with that name; made now if there is none."""
    known = books.contact_by_name(name.strip())
    if known is None:
        known = Contact(contact_id=books.guid(), name=name.strip(), updated_at=ask.now)
        books.contacts[known.contact_id] = known
    return known.contact_id


def read_many(books: Books, ask: Ask) -> dict[str, Any]:
    """GET /Contacts."""
    found = where.select(books.contacts.values(), ask, FIELDS, "UpdatedDateUTC")
    page, told = where.paged(found, ask)
    shown = {"Contacts": [show(contact) for contact in page]}
    return {"pagination": told, **shown} if told else shown


def read_one(books: Books, ask: Ask) -> dict[str, Any]:
    """GET /Contacts/{ContactID}."""
    contact = books.contacts.get(ask.params["ContactID"].lower())
    if contact is None:
        raise not_found()
    return {"Contacts": [show(contact)]}


def write_many(books: Books, ask: Ask) -> dict[str, Any]:
    """PUT (create) and POST (update or create) /Contacts."""

    def prepare(body: dict[str, Any]) -> Prepared:
        problems: list[str] = []
        present = find(books, body, problems)
        name = str(body.get("Name") or "").strip()
        if ask.method == "PUT" and present is not None:
            problems.append(f"The contact name {name} is already assigned to another contact.")
        known = books.contact_by_name(name) if name else None
        if present is not None and known is not None and known.contact_id != present:
            problems.append(f"The contact name {name} is already assigned to another contact.")
        return Prepared(body, lambda: _commit(books, ask, present, body), problems)

    return write(ask, "Contacts", "ContactID", prepare)


def _commit(books: Books, ask: Ask, present: str | None, body: dict[str, Any]) -> dict[str, Any]:
    contact = books.contacts[present or named(books, str(body["Name"]), ask)]
    contact.name = str(body.get("Name") or contact.name).strip()
    contact.email = str(body.get("EmailAddress") or contact.email)
    contact.status = str(body.get("ContactStatus") or contact.status)
    contact.updated_at = ask.now
    return show(contact)
