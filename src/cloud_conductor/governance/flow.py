"""What governance does: let people in, give out keys, keep sessions. Every act is in the audit chain.

A secret leaves this file once, in the value that makes it; what is kept is its digest.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Engine

from cloud_conductor.domain.audit import Act
from cloud_conductor.domain.errors import BadRequest, NotAuthenticated, NotFound
from cloud_conductor.governance.access import ROLES, Principal, check_grant
from cloud_conductor.governance.credentials import (
    ID_BYTES,
    SECRET_BYTES,
    ApiKey,
    digest,
    is_same,
    parse,
)
from cloud_conductor.ports.clock import Clock
from cloud_conductor.state import governance as state
from cloud_conductor.state.accounting import Writer, to_us, writing
from cloud_conductor.state.governance import KeyRow, SessionRow, UserRow

OWNER = "owner"
LINK_TTL = timedelta(hours=1)
SEEN_EVERY = timedelta(minutes=1)
NAME_CHARS_MAX = 64


@dataclass(frozen=True)
class AccessDeps:
    """stores: codes that exist. token: random text of a number of bytes."""

    engine: Engine
    clock: Clock
    stores: Sequence[str]
    ttl: timedelta = timedelta(hours=12)
    token: Callable[[int], str] = field(default=secrets.token_hex)

    @property
    def now_us(self) -> int:
        return to_us(self.clock.now())


class Opened(msgspec.Struct, frozen=True):
    """A session that was opened: its token goes into the cookie and nowhere else."""

    token: str
    principal: Principal
    expires_at: datetime


def put_user(
    deps: AccessDeps, actor: str, name: str, roles: Sequence[str], stores: Sequence[str]
) -> UserRow:
    """Make a person or change what they may. Raises BadRequest for a bad name, role or store."""
    if not name.strip() or ":" in name or len(name) > NAME_CHARS_MAX:
        raise BadRequest(f"a name has 1 to {NAME_CHARS_MAX} characters and no colon")
    check_grant(roles, stores, deps.stores)
    with writing(deps.engine) as writer:
        before = state.user(writer.connection, name)
        row = UserRow(
            name=name,
            roles=tuple(role for role in ROLES if role in roles),
            stores=tuple(stores),
            is_active=True,
            created_us=before.created_us if before else deps.now_us,
            last_seen_us=before.last_seen_us if before else None,
        )
        state.put_user(writer, row)
        told = f"roles {','.join(row.roles)}; stores {','.join(row.stores)}"
        writer.record([Act(actor, "user.put", name, told)], deps.clock.now())
    return row


def remove_user(deps: AccessDeps, actor: str, name: str) -> None:
    """Let nobody in under this name any more: sessions end at once, keys die with their owner."""
    with writing(deps.engine) as writer:
        row = state.user(writer.connection, name)
        if row is None:
            raise NotFound(f"no user {name}")
        state.put_user(writer, msgspec.structs.replace(row, is_active=False))
        state.end_sessions(writer, deps.now_us, user=name)
        writer.record([Act(actor, "user.removed", name)], deps.clock.now())


def ensure_owner(deps: AccessDeps) -> str:
    """The first user of a new installation, with every role; the name of one who may sign in."""
    with deps.engine.connect() as connection:
        active = [row for row in state.users(connection) if row.is_active]
    if active:
        return next((row.name for row in active if row.name == OWNER), active[0].name)
    return put_user(deps, "service:setup", OWNER, ROLES, ["*"]).name


def make_link(deps: AccessDeps, actor: str, name: str, ttl: timedelta = LINK_TTL) -> str:
    """A token that signs a person in once, within `ttl`. NotFound for somebody who may not."""
    token = deps.token(SECRET_BYTES)
    with writing(deps.engine) as writer:
        row = state.user(writer.connection, name)
        if row is None or not row.is_active:
            raise NotFound(f"no user {name}", hint="conductor users add NAME --role ...")
        expires_us = to_us(deps.clock.now() + ttl)
        state.put_link(writer, digest=digest(token), user=name, expires_us=expires_us)
        writer.record([Act(actor, "link.made", name)], deps.clock.now())
    return token


def open_by_link(deps: AccessDeps, token: str, source: str = "") -> Opened:
    """Use a one-time link. Raises NotAuthenticated when it was used, has expired or is none."""
    with writing(deps.engine) as writer:
        name = state.use_link(writer, digest(token), deps.now_us)
        row = state.user(writer.connection, name) if name else None
        if row is None or not row.is_active:
            raise NotAuthenticated("this link was used before, has expired, or is none")
        return _open(deps, writer, _person(row), name, "", source)


def open_by_key(deps: AccessDeps, text: str, source: str = "") -> Opened:
    """A browser session with the rights of an API key."""
    principal = by_key(deps, text)
    given = parse(text)
    assert given is not None
    with writing(deps.engine) as writer:
        return _open(deps, writer, principal, principal.owner, given.key_id, source)


def open_for(deps: AccessDeps, name: str, source: str = "") -> Opened:
    """A session of a person whom somebody trusted (an identity provider) has named."""
    with writing(deps.engine) as writer:
        row = state.user(writer.connection, name)
        if row is None or not row.is_active:
            raise NotAuthenticated(f"{name} is not a user here", hint="conductor users add NAME")
        return _open(deps, writer, _person(row), name, "", source)


def close_session(deps: AccessDeps, token: str) -> None:
    """Sign out; again is a no-op."""
    with writing(deps.engine) as writer:
        state.end_sessions(writer, deps.now_us, digest=digest(token))


def by_session(deps: AccessDeps, token: str) -> Principal:
    """Whose session it is, with the roles they have now. Raises NotAuthenticated."""
    now_us = deps.now_us
    with deps.engine.connect() as connection:
        row = state.session(connection, digest(token))
        person = state.user(connection, row.user) if row else None
        key = state.key(connection, row.key_id) if row and row.key_id else None
    if row is None or row.ended_us is not None or row.expires_us <= now_us:
        raise NotAuthenticated("the session has ended")
    if person is None or not person.is_active:
        raise NotAuthenticated(f"{row.user} may not sign in any more")
    _note(deps, person.name, person.last_seen_us, now_us)
    if not row.key_id:
        return _person(person)
    if key is None or not _is_live(key, now_us):
        raise NotAuthenticated("the API key of this session is not valid any more")
    return _of_key(key, person)


def by_key(deps: AccessDeps, text: str) -> Principal:
    """Whose API key it is. Raises NotAuthenticated, with the same words whatever is wrong."""
    refused = NotAuthenticated("the API key is not valid", hint="conductor keys create")
    given = parse(text)
    if given is None:
        raise refused
    now_us = deps.now_us
    with deps.engine.connect() as connection:
        row = state.key(connection, given.key_id)
        person = state.user(connection, row.owner) if row else None
    if row is None or not is_same(given.secret, row.digest) or not _is_live(row, now_us):
        raise refused
    if person is None or not person.is_active:
        raise refused
    _note(deps, person.name, row.last_used_us, now_us, row.key_id)
    return _of_key(row, person)


def make_key(
    deps: AccessDeps,
    actor: str,
    owner: str,
    name: str,
    *,
    roles: Sequence[str],
    stores: Sequence[str],
    ttl: timedelta,
) -> tuple[ApiKey, KeyRow]:
    """A new key of a user; its secret is in the answer and nowhere else.

    Raises BadRequest when it would be more than its owner may, or last no time.
    """
    check_grant(roles, stores, deps.stores)
    if ttl <= timedelta(0) or not name.strip():
        raise BadRequest("a key has a name and lasts at least a day")
    with writing(deps.engine) as writer:
        person = state.user(writer.connection, owner)
        if person is None or not person.is_active:
            raise NotFound(f"no user {owner}", hint="conductor users add NAME --role ...")
        beyond = set(roles) - set(person.roles) or (
            set() if "*" in person.stores else set(stores) - set(person.stores)
        )
        if beyond:
            raise BadRequest(f"{owner} has no {', '.join(sorted(beyond))} to give")
        made = ApiKey(deps.token(ID_BYTES), deps.token(SECRET_BYTES))
        row = KeyRow(
            key_id=made.key_id,
            name=name,
            owner=owner,
            digest=digest(made.secret),
            roles=tuple(roles),
            stores=tuple(stores),
            created_us=deps.now_us,
            expires_us=to_us(deps.clock.now() + ttl),
        )
        state.put_key(writer, row)
        told = f"{name}; roles {','.join(roles)}; stores {','.join(stores)}"
        writer.record([Act(actor, "key.made", made.key_id, told)], deps.clock.now())
    return made, row


def revoke_key(deps: AccessDeps, actor: str, key_id: str) -> None:
    """End a key and the sessions it opened. Raises NotFound."""
    with writing(deps.engine) as writer:
        if state.key(writer.connection, key_id) is None:
            raise NotFound(f"no key {key_id}")
        state.revoke_key(writer, key_id, deps.now_us)
        writer.record([Act(actor, "key.revoked", key_id)], deps.clock.now())


def note_act(deps: AccessDeps, act: Act) -> None:
    """One act into the audit chain: something was looked at or sent that leaves no other trace."""
    with writing(deps.engine) as writer:
        writer.record([act], deps.clock.now())


def _open(
    deps: AccessDeps, writer: Writer, principal: Principal, user: str, key_id: str, source: str
) -> Opened:
    token = deps.token(SECRET_BYTES)
    expires_at = deps.clock.now() + deps.ttl
    state.put_session(
        writer,
        SessionRow(
            digest=digest(token),
            user=user,
            key_id=key_id,
            created_us=deps.now_us,
            expires_us=to_us(expires_at),
        ),
    )
    act = Act(principal.name, "session.opened", user, key_id, source=source)
    writer.record([act], deps.clock.now())
    return Opened(token, principal, expires_at)


def _note(deps: AccessDeps, user: str, last_us: int | None, now_us: int, key_id: str = "") -> None:
    if last_us is None or now_us - last_us > SEEN_EVERY // timedelta(microseconds=1):
        state.note_seen(deps.engine, now_us, user=user, key_id=key_id)


def _person(row: UserRow) -> Principal:
    return Principal(f"user:{row.name}", row.name, row.roles, row.stores)


def _of_key(key: KeyRow, owner: UserRow) -> Principal:
    """What a key may: its own rights, as far as its owner still has them."""
    every = "*" in owner.stores
    stores = key.stores if every else owner.stores if "*" in key.stores else ()
    return Principal(
        name=f"key:{key.key_id}",
        owner=owner.name,
        roles=tuple(role for role in key.roles if role in owner.roles),
        stores=stores or tuple(one for one in key.stores if one in owner.stores),
    )


def _is_live(row: KeyRow, now_us: int) -> bool:
    return row.revoked_us is None and row.expires_us > now_us
