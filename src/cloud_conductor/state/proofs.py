"""What is known of live windows against facts, by business date (INV-26)."""

from typing import Literal

import msgspec
from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import postgresql, sqlite

from cloud_conductor.state import live
from cloud_conductor.state.tables.windows import CELL, PROOF

MARK = ""
"""The row of no date: up to which change of windows proofs were looked at."""
AGAIN = -1

State = Literal["alike", "unlike", "behind"]


class Difference(msgspec.Struct, frozen=True, array_like=True):
    """Net sales of a store and department that differ. department `*`: the store as a whole."""

    store: str
    department: str
    windows_minor: int
    facts_minor: int


class Proof(msgspec.Struct, frozen=True):
    """A date's windows held against its facts. stores: closed ones, net_minor: their net sales.

    behind: what differs may yet come: one of the two had not taken what the other had. facts_seq:
    newest fact that the close saw. taken_seq: how far in the log the one further on had come.
    """

    business_date: str
    state: State
    facts_seq: int
    taken_seq: int
    stores: int
    net_minor: int
    differences: tuple[Difference, ...]
    proven_us: int


_DIFFERENCES = msgspec.json.Decoder(tuple[Difference, ...])


def proofs(connection: Connection, *, since: str = "") -> list[Proof]:
    """Proofs of dates from `since` on, in order."""
    query = select(PROOF).where(PROOF.c.business_date >= since, PROOF.c.business_date != MARK)
    query = query.order_by(PROOF.c.business_date)
    return [
        Proof(**{**row, "differences": _DIFFERENCES.decode(row["differences"])})
        for row in connection.execute(query).mappings()
    ]


def note_changes(connection: Connection) -> None:
    """Put proofs of dates whose windows changed since they were looked at back to `behind`."""
    head_seq = live.head(connection).seq
    looked = select(PROOF.c.taken_seq).where(PROOF.c.business_date == MARK)
    seq = connection.execute(looked).scalar() or 0
    if head_seq <= seq:
        return
    changed = select(CELL.c.business_date).where(CELL.c.seq > seq, CELL.c.seq <= head_seq)
    stale = update(PROOF).where(PROOF.c.business_date.in_(changed.distinct()))
    connection.execute(stale.values(state="behind", taken_seq=AGAIN))
    put_proof(connection, Proof(MARK, "alike", 0, head_seq, 0, 0, (), 0))


def put_proof(connection: Connection, proof: Proof) -> None:
    """Insert or replace the proof of a date."""
    row = msgspec.structs.asdict(proof)
    row["differences"] = msgspec.json.encode(proof.differences).decode()
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(PROOF).values(row)
    changes = {name: value for name, value in row.items() if name != "business_date"}
    connection.execute(
        statement.on_conflict_do_update(index_elements=["business_date"], set_=changes)
    )
