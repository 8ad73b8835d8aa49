"""The object store's and the lake's promises on a real S3 server."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud_conductor.adapters.buckets import options_of
from cloud_conductor.adapters.lake.delta import DeltaLake
from cloud_conductor.adapters.objects.s3 import S3Objects
from cloud_conductor.domain.errors import VendorUnavailable
from cloud_conductor.testing.lake import LakeContract, OpenLake
from cloud_conductor.testing.objects import ObjectsContract
from services import BUCKET, free_port, seaweed

numbers = itertools.count(1)


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with (
        pytest.MonkeyPatch.context() as patch,
        seaweed(tmp_path_factory.mktemp("seaweed"), patch) as url,
    ):
        yield options_of(endpoint=url)


class TestS3Objects(ObjectsContract):
    @pytest.fixture
    def objects(self, options: dict[str, str]) -> S3Objects:
        return S3Objects(f"s3://{BUCKET}/objects-{next(numbers)}", options)

    def test_an_address_engines_can_open(self, objects: S3Objects) -> None:
        assert objects.url("raw/a").startswith(f"s3://{BUCKET}/objects-")
        assert objects.url("raw/a").endswith("/raw/a")

    def test_a_store_nobody_answers_for_is_unavailable(self, options: dict[str, str]) -> None:
        nowhere = options | {"aws_endpoint_url": f"http://127.0.0.1:{free_port()}"}
        silent = S3Objects(f"s3://{BUCKET}", nowhere, retries_max=0)
        with pytest.raises(VendorUnavailable):
            silent.create("a", b"")


class TestDeltaLakeOnS3(LakeContract):
    @pytest.fixture
    def open_lake(self, options: dict[str, str]) -> OpenLake:
        address = f"s3://{BUCKET}/lake-{next(numbers)}"
        return lambda: DeltaLake(address, options)


def test_options_come_from_the_environment_and_the_configuration() -> None:
    environ = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "eu-west-1"}
    assert options_of(environ=environ) == {
        "aws_access_key_id": "a",
        "aws_secret_access_key": "b",
        "aws_region": "eu-west-1",
        "aws_conditional_put": "etag",
    }
    given = options_of(region="us-east-2", endpoint="http://127.0.0.1:1", environ=environ)
    assert (given["aws_region"], given["aws_allow_http"]) == ("us-east-2", "true")


def test_a_folder_on_this_machine_is_no_bucket(tmp_path: Path) -> None:
    DeltaLake(tmp_path / "lake")
    assert not (tmp_path / "lake").exists()
