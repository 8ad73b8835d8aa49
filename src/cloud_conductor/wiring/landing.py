"""Places where exports land, from [landing.*]."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from cloud_conductor.adapters.clock import SystemClock
from cloud_conductor.adapters.landing.folder import FolderPlace
from cloud_conductor.adapters.pos.files import FilesDecoder
from cloud_conductor.domain.config import Config, LandingConfig
from cloud_conductor.domain.events import Event, NewEvent
from cloud_conductor.domain.stores import Store
from cloud_conductor.ingest.flow_landing import Landing
from cloud_conductor.ports.landing import LandingPlace
from cloud_conductor.ports.pos import PosDecoder

S3 = "s3://"


def decoders_of(config: Config) -> dict[str, PosDecoder]:
    """By source."""
    return {
        name: FilesDecoder(one.columns, one.processor or name)
        for name, one in config.landing.items()
    }


def landings_of(config: Config, stores: Sequence[Store]) -> dict[str, Landing]:
    """By source, in the order of the file: the first of a place takes what names no source."""
    decoders = decoders_of(config)
    found: dict[str, Landing] = {}
    seen: set[str] = set()
    for name, one in config.landing.items():
        mine = {store.location_id: store for store in stores if store.source == name}
        found[name] = Landing(
            place=place_of(one, Path(config.root)),
            policy=one.policy,
            interval=timedelta(seconds=one.interval_s),
            file_bytes_max=one.file_bytes_max,
            columns=one.columns,
            is_first=one.path not in seen,
            copies=not one.path.startswith(S3),
            problem=_problem(decoders[name], mine),
        )
        seen.add(one.path)
    return found


def place_of(config: LandingConfig, root: Path) -> LandingPlace:
    """A folder, or an S3 prefix; MissingExtra without the package for the latter."""
    if config.path.startswith(S3):
        from cloud_conductor.adapters.landing.s3 import S3Place

        return S3Place(config.path, region=config.region, endpoint=config.endpoint)
    settle = timedelta(seconds=config.settle_s)
    return FolderPlace(root / config.path, SystemClock(), settle=settle)


def _problem(
    decoder: PosDecoder, stores: Mapping[str, Store]
) -> Callable[[Sequence[NewEvent]], str]:
    """What conform would say of a file's records, before any of them is an event."""

    def problem(events: Sequence[NewEvent]) -> str:
        placed = [
            Event(seq=row, **{name: getattr(one, name) for name in NewEvent.__struct_fields__})
            for row, one in enumerate(events, start=1)
        ]
        rejected = decoder.decode(placed, stores, {}, {}).rejected
        if not rejected:
            return ""
        first = rejected[0].findings[0]
        return f"{len(rejected)} of {len(events)} records, first {first.pointer}: {first.message}"

    return problem
