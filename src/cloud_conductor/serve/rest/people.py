"""Users, API keys, and the audit chain."""

from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from cloud_conductor.domain import audit
from cloud_conductor.domain.errors import NotFound
from cloud_conductor.governance import flow
from cloud_conductor.serve.desk import Ask
from cloud_conductor.serve.rest.endpoint import (
    Code,
    Cursor,
    Empty,
    Endpoint,
    Limit,
    Nothing,
    Page,
    Params,
    at,
    cursor,
    instant,
    place,
)
from cloud_conductor.serve.rest.journals import AuditItem, actor, audit_item
from cloud_conductor.state import accounting as books
from cloud_conductor.state import governance as state
from cloud_conductor.state import screens

Names = Annotated[list[Code], Meta(min_length=1, max_length=200)]
Filter = Annotated[str, Meta(max_length=200)]


class OneUser(Params, frozen=True):
    name: Code


class OneKey(Params, frozen=True):
    id: Code


class AuditChosen(Params, frozen=True, kw_only=True):
    actor: Filter = ""
    act: Filter = ""
    subject: Filter = ""
    limit: Limit = 100
    after: Cursor = ""


class Grant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """stores: codes, or `*` for every one."""

    roles: Names
    stores: Names


class KeyWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """user: whose key it is; the caller's own without it."""

    name: Code
    roles: Names
    stores: Names
    user: Code | None = None
    days: Annotated[int, Meta(ge=1, le=730)] = 90


class User(msgspec.Struct, frozen=True):
    name: str
    roles: list[str]
    stores: list[str]
    is_active: bool
    created_at: datetime
    last_seen_at: datetime | None


class Link(msgspec.Struct, frozen=True):
    """A link that signs a person in once."""

    url: str
    expires_at: datetime


class Key(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str
    user: str
    roles: list[str]
    stores: list[str]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class NewKey(Key, frozen=True, kw_only=True):
    """key: the secret, shown this once."""

    key: str


class Verified(msgspec.Struct, frozen=True):
    """Whether the chain is whole (INV-30); flaw: where it breaks."""

    ok: bool
    records: int
    flaw: str | None


def users(ask: Ask, _params: Nothing) -> Page[User]:
    """Everybody who may or might sign in."""
    with ask.desk.books.connect() as connection:
        return Page([_user(row) for row in state.users(connection)])


def put_user(ask: Ask, params: OneUser, body: Grant) -> User:
    """Make a person, or change what they may."""
    row = flow.put_user(ask.desk.access, actor(ask), params.name, body.roles, body.stores)
    return _user(row)


def remove_user(ask: Ask, params: OneUser) -> User:
    """Let nobody in under this name any more."""
    flow.remove_user(ask.desk.access, actor(ask), params.name)
    with ask.desk.books.connect() as connection:
        row = state.user(connection, params.name)
    assert row is not None, "people are never deleted"
    return _user(row)


def make_link(ask: Ask, params: OneUser, _body: Empty) -> Link:
    """A link that signs a person in, once, within an hour."""
    token = flow.make_link(ask.desk.access, actor(ask), params.name)
    url = f"{ask.desk.house.console_url}/login?t={token}"
    return Link(url, ask.desk.now + flow.LINK_TTL)


def keys(ask: Ask, _params: Nothing) -> Page[Key]:
    """API keys, newest first; never their secrets."""
    with ask.desk.books.connect() as connection:
        return Page([Key(**_key(row)) for row in state.keys(connection)])


def make_key(ask: Ask, _params: Nothing, body: KeyWanted) -> NewKey:
    """A new API key; the answer is the only place that has its secret."""
    made, row = flow.make_key(
        ask.desk.access,
        actor(ask),
        body.user or ask.principal.owner,
        body.name,
        roles=body.roles,
        stores=body.stores,
        ttl=timedelta(days=body.days),
    )
    return NewKey(**_key(row), key=made.text)


def revoke_key(ask: Ask, params: OneKey) -> Key:
    """End a key and the sessions it opened."""
    flow.revoke_key(ask.desk.access, actor(ask), params.id)
    with ask.desk.books.connect() as connection:
        row = state.key(connection, params.id)
    if row is None:
        raise NotFound(f"no key {params.id}")
    return Key(**_key(row))


def audit_trail(ask: Ask, params: AuditChosen) -> Page[AuditItem]:
    """Who did what, newest first; filters are parts of the record's text."""
    start = place(params.after, int)
    pieces = [
        f'"{name}":"{value}'
        for name, value in (("actor", params.actor), ("act", params.act))
        if value
    ]
    if params.subject:
        pieces.append(params.subject)
    with ask.desk.books.connect() as connection:
        rows = screens.audit_page(
            connection,
            before=int(start[0]) if start else None,
            text=pieces,
            limit=params.limit + 1,
        )
    shown = rows[: params.limit]
    items = [audit_item(row) for row in shown]
    return Page(items, cursor(shown[-1].seq) if len(rows) > params.limit else None)


def verify(ask: Ask, _params: Nothing) -> Verified:
    """Whether the audit chain is whole: no record edited, none taken out (INV-30)."""
    with ask.desk.books.connect() as connection:
        seq, last = books.audit_head(connection)
        links = (audit.Link(row.seq, row.record, row.hash) for row in books.audit_rows(connection))
        flaw = audit.verify(links, seq, last)
    return Verified(flaw is None, seq, None if flaw is None else flaw.message)


def _user(row: state.UserRow) -> User:
    return User(
        row.name,
        list(row.roles),
        list(row.stores),
        row.is_active,
        at(row.created_us),
        instant(row.last_seen_us),
    )


def _key(row: state.KeyRow) -> dict[str, Any]:
    return {
        "id": row.key_id,
        "name": row.name,
        "user": row.owner,
        "roles": list(row.roles),
        "stores": list(row.stores),
        "created_at": at(row.created_us),
        "expires_at": at(row.expires_us),
        "last_used_at": instant(row.last_used_us),
        "revoked_at": instant(row.revoked_us),
    }


USERS, KEYS = "users.manage", "keys.manage"
ENDPOINTS = [
    Endpoint("GET", "/users", users, Page[User], USERS),
    Endpoint("PUT", "/users/{name}", put_user, User, USERS, OneUser, Grant),
    Endpoint("DELETE", "/users/{name}", remove_user, User, USERS, OneUser),
    Endpoint(
        "POST", "/users/{name}/link", make_link, Link, USERS, OneUser, Empty, shows_secret=True
    ),
    Endpoint("GET", "/keys", keys, Page[Key], KEYS),
    Endpoint("POST", "/keys", make_key, NewKey, KEYS, body=KeyWanted, shows_secret=True),
    Endpoint("DELETE", "/keys/{id}", revoke_key, Key, KEYS, OneKey),
    Endpoint("GET", "/audit", audit_trail, Page[AuditItem], "audit.read", AuditChosen),
    Endpoint("GET", "/audit/verify", verify, Verified, "audit.read"),
]
