"""Roles, permissions, store scope and column classes (R-15.3, R-15.5): pure.

A permission is held by roles; a user has several roles and the union of what they may. A column
class (`pii`, `cost`, `card`) is hidden unless one of the roles sees it: the columns of a class are
null for everybody else, behind every door.
"""

from collections.abc import Collection, Iterable, Mapping

import msgspec
import pyarrow as pa

from cloud_conductor.domain.errors import BadRequest, NotAllowed, NotFound
from cloud_conductor.domain.schemas import TABLES

ROLES = ("viewer", "operator", "finance", "approver", "data", "admin")
EVERY_STORE = "*"

PERMISSIONS: Mapping[str, frozenset[str]] = {
    "read": frozenset(ROLES),
    "journals.read": frozenset({"finance", "approver", "data", "admin"}),
    "journals.approve": frozenset({"approver"}),
    "journals.post": frozenset({"approver"}),
    "breaks.resolve": frozenset({"finance"}),
    "breaks.approve": frozenset({"approver"}),
    "reconcile.run": frozenset({"finance", "data"}),
    "stock.write": frozenset({"operator"}),
    "receipts.read": frozenset({"operator", "finance"}),
    "events.read": frozenset({"data", "operator"}),
    "events.reveal": frozenset({"data"}),
    "quarantine.release": frozenset({"data"}),
    "runs.start": frozenset({"data"}),
    "alerts.ack": frozenset({"operator", "finance", "data", "admin"}),
    "query": frozenset({"data", "finance"}),
    "users.manage": frozenset({"admin"}),
    "keys.manage": frozenset({"admin"}),
    "audit.read": frozenset({"admin", "finance"}),
    "settings.read": frozenset({"admin", "data", "finance"}),
}
"""Permission -> roles that hold it. admin keeps the doors and never approves (R-15.3)."""

CLASSES = ("pii", "cost", "card")
SEES: Mapping[str, frozenset[str]] = {
    "viewer": frozenset(),
    "operator": frozenset({"pii", "card"}),
    "finance": frozenset({"cost", "card"}),
    "approver": frozenset({"cost"}),
    "data": frozenset({"cost"}),
    "admin": frozenset({"cost"}),
}

COLUMNS: Mapping[str, str] = {
    "customer_id": "pii",
    "employee": "pii",
    "description": "pii",  # free text typed at the drawer
    "unit_cost": "cost",
    "cost_minor": "cost",
    "brand": "card",
    "last4": "card",
    "card_id": "card",
}
"""Column name -> class, in every table and every answer."""

BODY_FIELDS: Mapping[str, str] = {
    "address": "pii",
    "address_line_1": "pii",
    "address_line_2": "pii",
    "billing_address": "pii",
    "birthday": "pii",
    "buyer_email_address": "pii",
    "cardholder_name": "pii",
    "company_name": "pii",
    "customer_id": "pii",
    "display_name": "pii",
    "email_address": "pii",
    "employee_id": "pii",
    "family_name": "pii",
    "given_name": "pii",
    "nickname": "pii",
    "note": "pii",
    "phone_number": "pii",
    "recipient": "pii",
    "shipping_address": "pii",
    "team_member_id": "pii",
    "bin": "card",
    "card_brand": "card",
    "exp_month": "card",
    "exp_year": "card",
    "fingerprint": "card",
    "gan": "card",
    "last_4": "card",
    "unit_cost": "cost",
    "default_unit_cost": "cost",
}
"""Field of a vendor's body -> class: what is hidden in raw events that are not revealed."""


class Principal(msgspec.Struct, frozen=True):
    """Somebody who asks. name: `user:ana` or `key:7f..`; owner: the user behind it."""

    name: str
    owner: str
    roles: tuple[str, ...]
    stores: tuple[str, ...] = (EVERY_STORE,)

    @property
    def permissions(self) -> list[str]:
        return [name for name in PERMISSIONS if self.may(name)]

    @property
    def masked(self) -> list[str]:
        """Column classes that none of the roles sees."""
        seen = {name for role in self.roles for name in SEES.get(role, ())}
        return [name for name in CLASSES if name not in seen]

    def may(self, permission: str) -> bool:
        return not PERMISSIONS[permission].isdisjoint(self.roles)

    def sees_store(self, store: str) -> bool:
        return EVERY_STORE in self.stores or store in self.stores

    def check(self, permission: str) -> None:
        """Raises NotAllowed, naming the roles that may."""
        if not self.may(permission):
            able = ", ".join(sorted(PERMISSIONS[permission]))
            raise NotAllowed(f"{permission} needs the role {able}")

    def scope(self, wanted: Collection[str], known: Collection[str]) -> tuple[str, ...]:
        """Stores to answer for: the wanted ones, or all that the caller sees; never empty.

        Raises NotAllowed for a store outside of the scope, NotFound for one that is not there.
        """
        if refused := sorted(store for store in wanted if not self.sees_store(store)):
            raise NotAllowed(f"store {', '.join(refused)} is outside of your stores")
        if strange := sorted(set(wanted) - set(known)):
            raise NotFound(f"no store {', '.join(strange)}")
        chosen = tuple(
            one for one in known if self.sees_store(one) and (not wanted or one in wanted)
        )
        if not chosen:
            raise NotAllowed("none of the stores is yours")
        return chosen


def check_grant(roles: Collection[str], stores: Collection[str], known: Collection[str]) -> None:
    """Raises BadRequest for an unknown role or store, or for none at all."""
    if strange := sorted(set(roles) - set(ROLES)):
        raise BadRequest(f"no role {', '.join(strange)}; there are: {', '.join(ROLES)}")
    if strange := sorted(set(stores) - {*known, EVERY_STORE}):
        raise BadRequest(f"no store {', '.join(strange)}")
    if not roles or not stores:
        raise BadRequest("at least one role and one store (or *)")


def hidden_columns(names: Iterable[str], masked: Collection[str]) -> list[str]:
    """Columns of a table or an answer that are hidden when these classes are."""
    return [name for name in names if COLUMNS.get(name) in masked]


def masked_table(table: pa.Table, masked: Collection[str]) -> pa.Table:
    """The table with hidden columns null; column order and types stay."""
    for name in hidden_columns(table.column_names, masked):
        at = table.schema.get_field_index(name)
        nothing = pa.nulls(table.num_rows, table.schema.field(at).type)
        table = table.set_column(at, name, nothing)
    return table


def masked_body(value: object, masked: Collection[str]) -> object:
    """A decoded vendor body with hidden fields replaced by None, at any depth."""
    if isinstance(value, dict):
        return {
            name: None if BODY_FIELDS.get(name) in masked else masked_body(inner, masked)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [masked_body(inner, masked) for inner in value]
    return value


def masked_everywhere() -> dict[str, list[str]]:
    """Table -> its columns that have a class: what the reference page lists."""
    return {
        name: found
        for name, schema in TABLES.items()
        if (found := hidden_columns(schema.names, CLASSES))
    }
