"""Tracking categories and their options; how a line names them."""

from __future__ import annotations

from typing import Any

from cloud_conductor.sandbox.xero.batch import items_of
from cloud_conductor.sandbox.xero.books import Books, Tag, TrackingCategory, TrackingOption
from cloud_conductor.sandbox.xero.wire import Ask, not_found, validation_exception

CATEGORIES_MAX = 2
TAGS_MAX = 2
OPTIONS_MAX = 100
NAME_MAX = 100


def show(category: TrackingCategory) -> dict[str, Any]:
    """The category with its options, as Xero shows it."""
    return {
        "Name": category.name,
        "Status": category.status,
        "TrackingCategoryID": category.category_id,
        "Options": [show_option(option) for option in category.options],
    }


def show_option(option: TrackingOption) -> dict[str, Any]:
    """One option as Xero shows it."""
    return {
        "TrackingOptionID": option.option_id,
        "Name": option.name,
        "Status": option.status,
        "HasValidationErrors": False,
        "IsDeleted": False,
        "IsArchived": option.status == "ARCHIVED",
        "IsActive": option.status == "ACTIVE",
    }


def show_tags(books: Books, tags: list[Tag]) -> list[dict[str, str]]:
    """The tracking entries of a line as Xero shows them."""
    shown: list[dict[str, str]] = []
    for tag in tags:
        category = books.tracking[tag.category_id]
        option = next(o for o in category.options if o.option_id == tag.option_id)
        shown.append(
            {
                "Name": category.name,
                "Option": option.name,
                "TrackingCategoryID": tag.category_id,
                "TrackingOptionID": tag.option_id,
            }
        )
    return shown


def read_tags(books: Books, entries: Any, problems: list[str]) -> list[Tag]:
    """Tags of a line's `Tracking`: at most two, each an active option of an active category.

    Entries name by `Name` + `Option` or by ids; what is wrong is added to `problems`.
    """
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        problems.append("Tracking must be a list of tracking categories")
        return []
    if len(entries) > TAGS_MAX:
        problems.append(f"A line may have {TAGS_MAX} tracking categories at most")
        return []
    tags: list[Tag] = []
    for entry in entries:
        category = _named_category(books, entry)
        if category is None or category.status != "ACTIVE":
            named = entry.get("Name") or entry.get("TrackingCategoryID")
            problems.append(f"The tracking category '{named}' does not exist or is not active")
            continue
        option = _named_option(category, entry)
        if option is None or option.status != "ACTIVE":
            named = entry.get("Option") or entry.get("TrackingOptionID")
            problems.append(
                f"The tracking option '{named}' does not exist in '{category.name}' or is not active"
            )
            continue
        tags.append(Tag(category.category_id, option.option_id))
    if len({tag.category_id for tag in tags}) != len(tags):
        problems.append("A tracking category may be used once on a line")
    return tags


def read_many(books: Books, ask: Ask) -> dict[str, Any]:
    """GET /TrackingCategories; archived ones only with `includeArchived=true`."""
    everything = ask.query.get("includeArchived", "").lower() == "true"
    shown = [show(c) for c in books.tracking.values() if everything or c.status == "ACTIVE"]
    return {"TrackingCategories": shown}


def read_one(books: Books, ask: Ask) -> dict[str, Any]:
    """GET /TrackingCategories/{TrackingCategoryID}."""
    return {"TrackingCategories": [show(_category(books, ask))]}


def create(books: Books, ask: Ask) -> dict[str, Any]:
    """PUT /TrackingCategories: two may be active, as in Xero."""
    body = items_of(ask.body, "TrackingCategories")[0]
    name = _name(body, [c.name for c in books.tracking.values()])
    if sum(c.status == "ACTIVE" for c in books.tracking.values()) >= CATEGORIES_MAX:
        raise _refused(body, f"There may be {CATEGORIES_MAX} active tracking categories at most")
    category = TrackingCategory(category_id=books.guid(), name=name)
    books.tracking[category.category_id] = category
    return {"TrackingCategories": [show(category)]}


def update(books: Books, ask: Ask) -> dict[str, Any]:
    """POST /TrackingCategories/{TrackingCategoryID}: `Name`, `Status` ACTIVE or ARCHIVED."""
    category, body = _category(books, ask), items_of(ask.body, "TrackingCategories")[0]
    others = [c for c in books.tracking.values() if c is not category]
    status = _status(body, category.status)
    name = _name({"Name": category.name, **body}, [c.name for c in others])
    if status == "ACTIVE" and sum(c.status == "ACTIVE" for c in others) >= CATEGORIES_MAX:
        raise _refused(body, f"There may be {CATEGORIES_MAX} active tracking categories at most")
    category.name, category.status = name, status
    return {"TrackingCategories": [show(category)]}


def create_options(books: Books, ask: Ask) -> dict[str, Any]:
    """PUT /TrackingCategories/{TrackingCategoryID}/Options: one option or `{"Options": [..]}`."""
    category, bodies = _category(books, ask), items_of(ask.body, "Options")
    taken = [option.name for option in category.options]
    names: list[str] = []
    for body in bodies:
        names.append(_name(body, taken + names))
    if len(taken) + len(names) > OPTIONS_MAX:
        raise _refused(bodies[0], f"A category may have {OPTIONS_MAX} options at most")
    made = [TrackingOption(option_id=books.guid(), name=name) for name in names]
    category.options.extend(made)
    return {"Options": [show_option(option) for option in made]}


def update_option(books: Books, ask: Ask) -> dict[str, Any]:
    """POST /TrackingCategories/{TrackingCategoryID}/Options/{TrackingOptionID}."""
    category, body = _category(books, ask), items_of(ask.body, "Options")[0]
    wanted = ask.params["TrackingOptionID"].lower()
    option = next((o for o in category.options if o.option_id == wanted), None)
    if option is None:
        raise not_found()
    others = [o.name for o in category.options if o is not option]
    name = _name({"Name": option.name, **body}, others)
    option.name, option.status = name, _status(body, option.status)
    return {"Options": [show_option(option)]}


def _category(books: Books, ask: Ask) -> TrackingCategory:
    category = books.tracking.get(ask.params["TrackingCategoryID"].lower())
    if category is None:
        raise not_found()
    return category


def _named_category(books: Books, entry: dict[str, Any]) -> TrackingCategory | None:
    if wanted := entry.get("TrackingCategoryID"):
        return books.tracking.get(str(wanted).lower())
    return next((c for c in books.tracking.values() if c.name == entry.get("Name")), None)


def _named_option(category: TrackingCategory, entry: dict[str, Any]) -> TrackingOption | None:
    if wanted := entry.get("TrackingOptionID"):
        return next((o for o in category.options if o.option_id == str(wanted).lower()), None)
    return next((o for o in category.options if o.name == entry.get("Option")), None)


def _name(body: dict[str, Any], taken: list[str]) -> str:
    name = str(body.get("Name") or body.get("name") or "").strip()
    if not name or len(name) > NAME_MAX:
        raise _refused(body, f"The name must have 1 to {NAME_MAX} characters")
    if name.casefold() in {other.casefold() for other in taken}:
        raise _refused(body, f"The name '{name}' is already used")
    return name


def _status(body: dict[str, Any], present: str) -> str:
    status = str(body.get("Status", present))
    if status not in {"ACTIVE", "ARCHIVED"}:
        raise _refused(body, f"The status '{status}' is not valid")
    return status


def _refused(body: dict[str, Any], message: str) -> Exception:
    return validation_exception([{**body, "ValidationErrors": [{"Message": message}]}])
