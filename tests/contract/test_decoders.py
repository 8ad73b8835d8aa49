"""Every POS decoder keeps the port's promises."""

import pytest

from cloud_conductor.adapters.pos.files import FilesDecoder
from cloud_conductor.adapters.pos.square.decode import SquareDecoder
from cloud_conductor.domain.events import Event
from cloud_conductor.testing.pos import DecoderContract, Sample
from conform_events import golden_day
from exports import NYC, landed_day


class TestSquareDecoder(DecoderContract):
    @pytest.fixture
    def sample(self) -> Sample:
        new_events, stores, _ = golden_day()
        events = [
            Event(seq=seq, **{name: getattr(one, name) for name in one.__struct_fields__})
            for seq, one in enumerate(new_events, start=1)
        ]
        return Sample(SquareDecoder(), events, {one.location_id: one for one in stores})


class TestFilesDecoder(DecoderContract):
    @pytest.fixture
    def sample(self) -> Sample:
        return Sample(FilesDecoder(processor="adyen"), landed_day(), {NYC.location_id: NYC})
