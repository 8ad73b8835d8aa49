"""Every place where exports land keeps the port's promises."""

import tempfile
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import botocore.session
import pytest

from cloud_conductor.adapters.landing.folder import FolderPlace
from cloud_conductor.adapters.landing.s3 import S3Place
from cloud_conductor.testing.landing import LandingContract, Put
from services import aws


class HourLater:
    """The machine's clock, so far ahead that everything has settled."""

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(hours=1)


class TestFolder(LandingContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> FolderPlace:
        return FolderPlace(tmp_path, HourLater(), settle=timedelta(seconds=5))

    @pytest.fixture
    def put(self, tmp_path: Path) -> Put:
        def write(path: str, data: bytes) -> None:
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)

        return write


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with (
        tempfile.TemporaryDirectory() as folder,
        pytest.MonkeyPatch.context() as patch,
        aws(Path(folder), patch) as url,
    ):
        yield url


class TestS3(LandingContract):
    @pytest.fixture
    def bucket(self, endpoint: str) -> str:
        name = f"shop-{uuid.uuid4().hex}"
        client = botocore.session.Session().create_client("s3", endpoint_url=endpoint)
        client.create_bucket(Bucket=name)
        return name

    @pytest.fixture
    def place(self, endpoint: str, bucket: str) -> S3Place:
        return S3Place(f"s3://{bucket}/landing", endpoint=endpoint)

    @pytest.fixture
    def put(self, endpoint: str, bucket: str) -> Put:
        client = botocore.session.Session().create_client("s3", endpoint_url=endpoint)
        return lambda path, data: client.put_object(Bucket=bucket, Key=f"landing/{path}", Body=data)
