"""The cloud function on the events that moto's S3 and SQS really make, and a signed webhook."""

import base64
import hashlib
import hmac
import json
import tempfile
from pathlib import Path

import botocore.session
import pytest

from cloud_conductor.adapters.landing.s3 import S3Place
from cloud_conductor.domain.errors import ConfigError, VendorRefused, VendorUnavailable
from cloud_conductor.ingest.flow_landing import run_landing
from cloud_conductor.serverless import aws as function
from cloud_conductor.serverless.aws import Function
from cloud_conductor.state import landing as state
from exports import CSV, sale, text
from services import aws, free_port

KEY = "raw/sales/source=shop/date=2026-11-21/café sales+1.json"
CONFIG = """
[landing.shop]
path = "s3://{bucket}/landing"
endpoint = "{endpoint}"

[sources.square]
vendor = "square"
base_url = "http://127.0.0.1:9"
token = "env:NOTHING"
notification_url = "https://fn.example.com/hooks/square"
signature_key = "env:SQUARE_KEY"

[stores.NYC01]
location = "S-1"
source = "shop"
time_zone = "America/New_York"
cutoff = "04:00"
"""


@pytest.fixture(scope="module")
def endpoint():
    with (
        tempfile.TemporaryDirectory() as folder,
        pytest.MonkeyPatch.context() as patch,
        aws(Path(folder), patch) as url,
    ):
        yield url


class Cloud:
    """A bucket whose notifications reach a queue."""

    def __init__(self, endpoint, name):
        session = botocore.session.Session()
        self.s3 = session.create_client("s3", endpoint_url=endpoint)
        self.sqs = session.create_client("sqs", endpoint_url=endpoint)
        self.bucket = name
        self.s3.create_bucket(Bucket=name)
        self.queue = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])
        self.arn = arn["Attributes"]["QueueArn"]
        told = {"QueueArn": self.arn, "Events": ["s3:ObjectCreated:*"]}
        self.s3.put_bucket_notification_configuration(
            Bucket=name, NotificationConfiguration={"QueueConfigurations": [told]}
        )

    def put(self, key, data):
        self.s3.put_object(Bucket=self.bucket, Key=f"landing/{key}", Body=data)

    def batch(self):
        """What the event source mapping would hand to Lambda."""
        found = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10)["Messages"]
        return {
            "Records": [
                {"messageId": one["MessageId"], "body": one["Body"], "messageAttributes": {},
                 "eventSource": "aws:sqs", "eventSourceARN": self.arn}
                for one in found
            ]
        }  # fmt: skip


@pytest.fixture
def cloud(endpoint, request):
    return Cloud(endpoint, f"shop-{abs(hash(request.node.name))}")


@pytest.fixture
def lambda_(cloud, endpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("SQUARE_KEY", "planted-key")
    path = tmp_path / "conductor.toml"
    path.write_text(CONFIG.format(bucket=cloud.bucket, endpoint=endpoint))
    opened = Function(path)
    yield opened
    opened.close()


def bodies(opened):
    return [event.body for event in opened.house.log.read("0", 0)]


def test_objects_of_a_real_queue_batch_are_taken_with_their_encoded_keys(cloud, lambda_):
    cloud.put(KEY, text(sale("a"), sale("b")))
    cloud.put("sales_20261121_233000.csv", CSV)
    batch = cloud.batch()
    assert any("s3:TestEvent" in one["body"] for one in batch["Records"])
    assert any("caf%C3%A9" in one["body"] for one in batch["Records"]), "the key is encoded"
    assert lambda_(batch) == {"batchItemFailures": []}
    assert len(bodies(lambda_)) == 4
    assert {one.path for one in state.files(lambda_.house.worker)} == {
        KEY, "sales_20261121_233000.csv",
    }  # fmt: skip
    assert lambda_(batch) == {"batchItemFailures": []}, "delivered again"
    assert len(bodies(lambda_)) == 4


def test_the_object_event_itself_is_answered_with_what_was_taken(cloud, lambda_):
    cloud.put("sales_1.json", text(sale("a")))
    cloud.batch()
    cloud.put("sales_2.json", text(sale("b")))
    (message,) = cloud.batch()["Records"]
    answer = lambda_(json.loads(message["body"]))
    assert (answer["files"], answer["new"]) == (1, 1)


def test_only_the_messages_that_failed_are_named(cloud, lambda_):
    cloud.put("sales_1.json", text(sale("a")))
    batch = cloud.batch()
    batch["Records"].insert(0, batch["Records"][0] | {"messageId": "bad", "body": "no json"})
    assert lambda_(batch) == {"batchItemFailures": [{"itemIdentifier": "bad"}]}
    assert len(bodies(lambda_)) == 1


def record(name, body, *, arn):
    names = {"source": "shop", "dataset": "sales"}
    return {
        "messageId": name, "body": body, "eventSource": "aws:sqs", "eventSourceARN": arn,
        "messageAttributes": {
            key: {"stringValue": value, "dataType": "String"} for key, value in names.items()
        },
    }  # fmt: skip


def test_behind_the_first_failure_of_a_fifo_queue_nothing_is_taken(lambda_):
    arn = "arn:aws:sqs:us-east-1:1:sales.fifo"
    good = json.dumps(sale("a"))
    records = [record("1", good, arn=arn), record("2", "", arn=arn), record("3", good, arn=arn)]
    records[1] |= {"messageAttributes": {}, "body": "no json"}
    assert lambda_({"Records": records}) == {
        "batchItemFailures": [{"itemIdentifier": "2"}, {"itemIdentifier": "3"}]
    }
    assert bodies(lambda_) == [good.encode()]


def test_a_record_in_a_message_is_an_event_once(lambda_):
    arn = "arn:aws:sqs:us-east-1:1:in"
    batch = {"Records": [record("1", json.dumps(sale("a")), arn=arn)]}
    for _ in range(2):
        assert lambda_(batch) == {"batchItemFailures": []}
    (event,) = lambda_.house.log.read("0", 0)
    assert (event.source, event.kind, event.channel) == ("shop", "sales", "file")


def webhook(body, signature):
    return {
        "version": "2.0", "rawPath": "/hooks/square", "body": body, "isBase64Encoded": False,
        "headers": {"X-Square-HmacSha256-Signature": signature},
        "requestContext": {"http": {"method": "POST", "path": "/hooks/square"}},
    }  # fmt: skip


def test_a_signed_webhook_is_stored_and_a_forged_one_refused(lambda_):
    body = json.dumps({"merchant_id": "M", "type": "order.updated", "event_id": "e-1", "data": {}})
    signed = b"https://fn.example.com/hooks/square" + body.encode()
    mac = hmac.new(b"planted-key", signed, hashlib.sha256).digest()
    signature = base64.b64encode(mac).decode()
    assert lambda_(webhook(body, signature))["statusCode"] == 200
    assert lambda_(webhook(body, signature))["statusCode"] == 200
    refused = lambda_(webhook(body, "forged"))
    assert (refused["statusCode"], json.loads(refused["body"])["code"]) == (401, "CC-203")
    (event,) = lambda_.house.log.read("0", 0)
    assert (event.event_id, event.body) == ("e-1", body.encode())


def test_lambda_finds_the_configuration_and_opens_it_once(lambda_, monkeypatch, cloud):
    monkeypatch.setenv("CONDUCTOR_CONFIG", str(lambda_.house.path))
    monkeypatch.setattr(function, "_FUNCTIONS", [])
    cloud.put("sales_1.json", text(sale("a")))
    batch = cloud.batch()
    assert function.handler(batch) == {"batchItemFailures": []}
    (opened,) = function._FUNCTIONS
    assert function.handler(batch) == {"batchItemFailures": []}
    assert [opened] == function._FUNCTIONS
    opened.close()


def test_a_worker_sweeps_the_bucket_for_what_no_event_told(cloud, lambda_):
    cloud.put(KEY, text(sale("a")))
    cloud.put("notes.txt", b"")
    house = lambda_.house
    assert run_landing(house.landing_deps, house.clock.now()).new == 1
    assert run_landing(house.landing_deps, house.clock.now()).files == 0
    cloud.put(KEY, text(sale("a"), sale("b")))
    assert run_landing(house.landing_deps, house.clock.now()).new == 2


def test_an_object_that_was_overwritten_since_it_was_listed_is_left_for_the_next_look(
    cloud, endpoint
):
    cloud.put("sales_1.json", text(sale("a")))
    place = S3Place(f"s3://{cloud.bucket}/landing/", endpoint=endpoint)
    (seen,) = place.files()
    cloud.put("sales_1.json", text(sale("b")))
    assert place.read(seen) is None
    assert place.find("sales_404.json") is None


def test_a_prefix_with_too_many_objects_is_an_error_not_a_silent_end(cloud, endpoint, monkeypatch):
    monkeypatch.setattr("cloud_conductor.adapters.landing.s3.OBJECTS_MAX", 1)
    cloud.put("sales_1.json", text(sale("a")))
    place = S3Place(f"s3://{cloud.bucket}/landing", endpoint=endpoint)
    assert len(list(place.files())) == 1
    cloud.put("sales_2.json", text(sale("b")))
    with pytest.raises(ConfigError, match="more than 1 objects"):
        list(place.files())


def test_a_bucket_that_is_not_there_needs_a_person_and_one_that_is_away_does_not(endpoint):
    with pytest.raises(VendorRefused, match="NoSuchBucket"):
        list(S3Place("s3://nowhere/x", endpoint=endpoint).files())
    with pytest.raises(VendorUnavailable):
        list(S3Place("s3://nowhere/x", endpoint=f"http://127.0.0.1:{free_port()}").files())
