"""Operations on people, keys, sessions and repeated requests."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from cloud_conductor.state.accounting import Writer
from cloud_conductor.state.tables.governance import KEY, LINK, REQUEST, SESSION, USER


class UserRow(msgspec.Struct, frozen=True):
    """A person. Instants: microseconds UTC."""

    name: str
    roles: tuple[str, ...]
    stores: tuple[str, ...]
    is_active: bool
    created_us: int
    last_seen_us: int | None = None


class KeyRow(msgspec.Struct, frozen=True):
    """An API key without its secret."""

    key_id: str
    name: str
    owner: str
    digest: str
    roles: tuple[str, ...]
    stores: tuple[str, ...]
    created_us: int
    expires_us: int
    last_used_us: int | None = None
    revoked_us: int | None = None


class SessionRow(msgspec.Struct, frozen=True):
    digest: str
    user: str
    key_id: str
    created_us: int
    expires_us: int
    ended_us: int | None = None


class RequestRow(msgspec.Struct, frozen=True):
    """A write that was asked for under a key. status 0: it is being worked on."""

    digest: str
    status: int
    body: str
    created_us: int


def users(connection: Connection) -> list[UserRow]:
    """Everybody, by name; those who left too."""
    return [_user(row) for row in connection.execute(select(USER).order_by(USER.c.name))]


def user(connection: Connection, name: str) -> UserRow | None:
    row = connection.execute(select(USER).where(USER.c.name == name)).one_or_none()
    return None if row is None else _user(row)


def has_users(engine: Engine) -> bool:
    """Whether anybody could sign in."""
    with engine.connect() as connection:
        found = select(func.count()).select_from(USER).where(USER.c.is_active == 1)
        return bool(connection.execute(found).scalar())


def put_user(writer: Writer, row: UserRow) -> None:
    """Insert or replace a person."""
    writer.connection.execute(delete(USER).where(USER.c.name == row.name))
    fields = msgspec.structs.asdict(row)
    writer.connection.execute(
        insert(USER).values(**fields | _lists(row) | {"is_active": int(row.is_active)})
    )


def keys(connection: Connection) -> list[KeyRow]:
    """All keys, newest first; revoked and expired ones too."""
    return [_key(row) for row in connection.execute(select(KEY).order_by(KEY.c.created_us.desc()))]


def key(connection: Connection, key_id: str) -> KeyRow | None:
    row = connection.execute(select(KEY).where(KEY.c.key_id == key_id)).one_or_none()
    return None if row is None else _key(row)


def put_key(writer: Writer, row: KeyRow) -> None:
    writer.connection.execute(insert(KEY).values(**msgspec.structs.asdict(row) | _lists(row)))


def revoke_key(writer: Writer, key_id: str, now_us: int) -> None:
    writer.connection.execute(update(KEY).where(KEY.c.key_id == key_id).values(revoked_us=now_us))
    ended = update(SESSION).where(SESSION.c.key_id == key_id, SESSION.c.ended_us.is_(None))
    writer.connection.execute(ended.values(ended_us=now_us))


def put_link(writer: Writer, *, digest: str, user: str, expires_us: int) -> None:
    writer.connection.execute(
        insert(LINK).values(digest=digest, user=user, expires_us=expires_us, used_us=None)
    )


def use_link(writer: Writer, digest: str, now_us: int) -> str:
    """The user of a link that is valid now, which it is never again; empty otherwise."""
    fits = (LINK.c.digest == digest, LINK.c.used_us.is_(None), LINK.c.expires_us > now_us)
    changed = writer.connection.execute(update(LINK).where(*fits).values(used_us=now_us)).rowcount
    if not changed:
        return ""
    found = select(LINK.c.user).where(LINK.c.digest == digest)
    return str(writer.connection.execute(found).scalar_one())


def put_session(writer: Writer, row: SessionRow) -> None:
    writer.connection.execute(insert(SESSION).values(**msgspec.structs.asdict(row)))


def session(connection: Connection, digest: str) -> SessionRow | None:
    row = connection.execute(select(SESSION).where(SESSION.c.digest == digest)).one_or_none()
    return None if row is None else SessionRow(*row)


def end_sessions(
    writer: Writer, now_us: int, *, user: str = "", digest: str = "", key_id: str = ""
) -> int:
    """End the sessions of a user, of a key, or one; gives how many were open."""
    open_ones = update(SESSION).where(SESSION.c.ended_us.is_(None))
    if user:
        open_ones = open_ones.where(SESSION.c.user == user)
    if digest:
        open_ones = open_ones.where(SESSION.c.digest == digest)
    if key_id:
        open_ones = open_ones.where(SESSION.c.key_id == key_id)
    return writer.connection.execute(open_ones.values(ended_us=now_us)).rowcount


def note_seen(engine: Engine, now_us: int, *, user: str, key_id: str = "") -> None:
    """Write down that somebody was here; callers do so once a minute at most."""
    with engine.begin() as connection:
        connection.execute(update(USER).where(USER.c.name == user).values(last_seen_us=now_us))
        if key_id:
            used = update(KEY).where(KEY.c.key_id == key_id).values(last_used_us=now_us)
            connection.execute(used)


def claim_request(
    engine: Engine, caller: str, idempotency_key: str, digest: str, now_us: int
) -> RequestRow | None:
    """Take a key for a request; None when it is ours now, else what stands under it."""
    values = {
        "caller": caller,
        "idempotency_key": idempotency_key,
        "digest": digest,
        "status": 0,
        "body": "",
        "created_us": now_us,
    }
    try:
        with engine.begin() as connection:
            connection.execute(insert(REQUEST).values(**values))
    except IntegrityError:
        with engine.connect() as connection:
            row = connection.execute(select(REQUEST).where(_request(caller, idempotency_key)))
            found = row.one_or_none()
        if found is None:
            return claim_request(engine, caller, idempotency_key, digest, now_us)
        return RequestRow(found.digest, found.status, found.body, found.created_us)
    return None


def answer_request(
    engine: Engine, caller: str, idempotency_key: str, *, status: int, body: str
) -> None:
    """Keep the answer that a repetition gets."""
    with engine.begin() as connection:
        found = update(REQUEST).where(_request(caller, idempotency_key))
        connection.execute(found.values(status=status, body=body))


def forget_request(engine: Engine, caller: str, idempotency_key: str) -> None:
    """Give a key back: nothing was done under it."""
    with engine.begin() as connection:
        connection.execute(delete(REQUEST).where(_request(caller, idempotency_key)))


def forget_old(engine: Engine, before_us: int) -> None:
    """Drop answers, links and ended sessions from before an instant."""
    with engine.begin() as connection:
        connection.execute(delete(REQUEST).where(REQUEST.c.created_us < before_us))
        connection.execute(delete(LINK).where(LINK.c.expires_us < before_us))
        connection.execute(delete(SESSION).where(SESSION.c.expires_us < before_us))


def _request(caller: str, idempotency_key: str) -> Any:
    return (REQUEST.c.caller == caller) & (REQUEST.c.idempotency_key == idempotency_key)


def _lists(row: UserRow | KeyRow) -> dict[str, str]:
    return {"roles": _text(row.roles), "stores": _text(row.stores)}


def _text(names: Sequence[str]) -> str:
    return msgspec.json.encode(list(names)).decode()


def _names(text: str) -> tuple[str, ...]:
    return msgspec.json.decode(text, type=tuple[str, ...])


def _user(row: Any) -> UserRow:
    return UserRow(
        name=row.name,
        roles=_names(row.roles),
        stores=_names(row.stores),
        is_active=bool(row.is_active),
        created_us=row.created_us,
        last_seen_us=row.last_seen_us,
    )


def _key(row: Any) -> KeyRow:
    fields = {name: getattr(row, name) for name in KeyRow.__struct_fields__}
    return KeyRow(**fields | {"roles": _names(row.roles), "stores": _names(row.stores)})
