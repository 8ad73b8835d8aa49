"""Records of exports to canonical tables, whole batches (ports.pos.PosDecoder).

There is no vendor to ask: what the export says of its payments is the only record of them, so the
levels that need a second one (L1 to L3) report `not_connected` for these stores.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from cloud_conductor.adapters.pos.files.record import product_of, sale_of
from cloud_conductor.adapters.pos.files.sheet import Sheet
from cloud_conductor.domain.events import Event
from cloud_conductor.domain.exports import WHOLE, Unreadable, records_of
from cloud_conductor.domain.findings import MALFORMED, UNKNOWN_KIND, Finding
from cloud_conductor.domain.stores import Store
from cloud_conductor.ports.pos import Decoded, Parent, Rejected

FINDINGS_MAX = 100  # of one whole file; the rest is of the same kind


class FilesDecoder:
    """Pure. columns: the export's field name -> ours. processor: who settles its cards."""

    def __init__(self, columns: Mapping[str, str] | None = None, processor: str = "") -> None:
        self._columns = dict(columns or {})
        self._processor = processor

    def decode(
        self,
        events: Sequence[Event],
        stores: Mapping[str, Store],
        clocks: Mapping[str, datetime],  # noqa: ARG002  # an export has one clock
        parents: Mapping[str, Parent] = {},  # noqa: ARG002  # its records stand alone
    ) -> Decoded:
        """Canonical rows of events in log order; see ports.pos.PosDecoder."""
        sheet = Sheet(stores, self._processor)
        rejected: list[Rejected] = []
        warnings: list[Rejected] = []
        for event in events:
            before = sheet.mark()
            faults, object_id = self._add(sheet, event)
            if faults:
                sheet.back_to(before)
                rejected.append(Rejected(event.seq, tuple(faults), object_id=object_id))
            elif sheet.warnings:
                warnings.append(Rejected(event.seq, tuple(sheet.warnings)))
            sheet.warnings.clear()
        tables: dict[str, pa.Table] = sheet.tables()
        return Decoded(tables, tuple(rejected), sheet.ignored(events, rejected), tuple(warnings))

    def _add(self, sheet: Sheet, event: Event) -> tuple[list[Finding], str]:
        """What is wrong with an event, and the id of its record."""
        dataset = event.kind.removesuffix(WHOLE)
        if dataset not in READERS:
            return [Finding(UNKNOWN_KIND, "", f"nothing decodes records of {event.kind!r}")], ""
        if event.kind == dataset:
            return self._record(sheet, event, dataset, event.body)
        return self._whole(sheet, event, dataset), ""

    def _record(
        self, sheet: Sheet, event: Event, dataset: str, body: bytes
    ) -> tuple[list[Finding], str]:
        read, add = READERS[dataset]
        record = read(body, self._columns)
        if isinstance(record, Finding):
            return [record], ""
        faults, object_id = add(sheet, event, record)
        return list(faults), object_id

    def _whole(self, sheet: Sheet, event: Event, dataset: str) -> list[Finding]:
        """Every record of a file or none: the file is one event, and one quarantine record."""
        path = sheet.header(event, "file")
        faults: list[Finding] = []
        try:
            for row, body in records_of(
                event.body, path=str(path), dataset=dataset, columns=self._columns
            ):
                found, _ = self._record(sheet, event, dataset, body)
                faults += [Finding(one.code, f"/{row}{one.pointer}", one.message) for one in found]
        except Unreadable as error:
            return [Finding(MALFORMED, "", str(error))]
        return faults[:FINDINGS_MAX]


READERS: dict[str, tuple[Any, Any]] = {
    "sales": (sale_of, Sheet.add_sale),
    "products": (product_of, Sheet.add_product),
}
DECODER = FilesDecoder
