"""Sending events through again by a person's wish, and asking beforehand whether a body would do."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

import msgspec

from cloud_conductor.conform.flow import ConformDeps
from cloud_conductor.domain.events import Event, NewEvent
from cloud_conductor.domain.findings import MALFORMED, UNKNOWN_KIND, Finding
from cloud_conductor.ports.pos import Parent
from cloud_conductor.state import conform as state
from cloud_conductor.state.conform import Quarantined


def check_body(deps: ConformDeps, record: Quarantined, body: bytes) -> tuple[Finding, ...]:
    """What would be wrong with a corrected body; nothing is written, and no findings: it would do."""
    decoder = deps.decoders.get(record.source)
    if decoder is None:
        return (Finding(UNKNOWN_KIND, "", f"nothing decodes source {record.source!r}"),)
    originals = deps.log.get([record.seq])
    if not originals:
        return (Finding(MALFORMED, "", "the original is not in the log any more"),)
    stores = {one.location_id: one for one in deps.stores if one.source == record.source}
    parents = {
        key: Parent(key, place, at)
        for key, (place, at) in state.parents(deps.engine, record.source).items()
    }
    clocks = state.clocks(deps.engine, record.source)
    event = msgspec.structs.replace(originals[0], body=body)
    decoded = decoder.decode([event], stores, clocks, parents)
    return tuple(finding for one in decoded.rejected for finding in one.findings)


def replay_events(deps: ConformDeps, events: Sequence[Event], *, now: datetime, act_id: str) -> int:
    """Append events again, as new ones that name the old; gives how many were new to the log.

    act_id: the same act twice appends nothing twice. Content stays as it is: an object's version
    is in its body.
    """
    mark = hashlib.sha256(act_id.encode()).hexdigest()[:12]
    again = [
        NewEvent(
            source=one.source,
            channel="replay",
            kind=one.kind,
            event_id=f"replay:{one.seq}:{mark}",
            merchant_id=one.merchant_id,
            received_us=state.micros(now),
            body=one.body,
            headers=one.headers,
            url=one.url,
            trigger_seq=one.seq,
        )
        for one in events
    ]
    return sum(not appended.duplicate for appended in deps.log.append(again))
