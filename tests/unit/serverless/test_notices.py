"""Events as AWS documents them; the ones moto makes are in tests/contract/test_functions.py."""

import base64
import json

import pytest

from cloud_conductor.serverless.notices import kind_of, objects_in, record_message, request_of

# Amazon S3 user guide, "Event message structure".
S3 = {
    "Records": [
        {
            "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-west-2",
            "eventTime": "1970-01-01T00:00:00.000Z", "eventName": "ObjectCreated:Put",
            "s3": {
                "s3SchemaVersion": "1.0",
                "bucket": {"name": "shop", "arn": "arn:aws:s3:::shop"},
                "object": {"key": "in/caf%C3%A9+sales_1%2B2.json", "size": 1024,
                           "eTag": "d41d8cd98f00b204e9800998ecf8427e"},
            },
        }
    ]
}  # fmt: skip
FOUND = [("shop", "in/café sales_1+2.json")]
# Amazon S3 user guide, "Using EventBridge": the key is as it is.
EVENTBRIDGE = {
    "version": "0", "detail-type": "Object Created", "source": "aws.s3", "region": "ca-central-1",
    "detail": {"bucket": {"name": "shop"}, "object": {"key": "in/café sales_1+2.json", "size": 5}},
}  # fmt: skip


def queue_event(*bodies, arn="arn:aws:sqs:us-east-1:1:in"):
    """AWS Lambda developer guide, "Using Lambda with Amazon SQS"."""
    return {
        "Records": [
            {"messageId": f"m-{n}", "receiptHandle": "AQ", "body": body, "attributes": {},
             "messageAttributes": {}, "md5OfBody": "", "eventSource": "aws:sqs",
             "eventSourceARN": arn, "awsRegion": "us-east-1"}
            for n, body in enumerate(bodies)
        ]
    }  # fmt: skip


SNS = {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": json.dumps(S3)}}]}
SNS_BODY = json.dumps({"Type": "Notification", "TopicArn": "arn:t", "Message": json.dumps(S3)})


@pytest.mark.parametrize(
    "event",
    [S3, EVENTBRIDGE, SNS, queue_event(json.dumps(S3)), queue_event(SNS_BODY),
     queue_event(json.dumps(EVENTBRIDGE))],
    ids=["s3", "eventbridge", "sns", "s3-sqs", "s3-sns-sqs", "eventbridge-sqs"],
)  # fmt: skip
def test_an_object_is_found_however_its_event_travelled(event):
    assert objects_in(event) == FOUND


def test_the_test_event_of_a_new_notification_speaks_of_nothing():
    assert objects_in({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "shop"}) == []


def test_a_removed_object_is_not_taken():
    removed = json.loads(json.dumps(S3).replace("ObjectCreated:Put", "ObjectRemoved:Delete"))
    assert objects_in(removed) == []


@pytest.mark.parametrize(
    "event", [{}, {"Records": [{}]}, queue_event("no json"), queue_event("[]"), queue_event("{}")]
)
def test_an_event_that_speaks_of_no_object_is_a_value_error(event):
    with pytest.raises(ValueError, match=r"object|JSON|event"):
        objects_in(event)


def test_a_message_with_source_and_dataset_is_a_record():
    (message,) = queue_event('{"sale_id":"1"}')["Records"]
    assert record_message(message) is None
    names = {"source": "shop", "dataset": "sales"}
    message["messageAttributes"] = {
        name: {"stringValue": value, "dataType": "String"} for name, value in names.items()
    }
    found = record_message(message)
    assert (found.source, found.dataset, found.body) == ("shop", "sales", b'{"sale_id":"1"}')


def http_v2(body, **headers):
    """API Gateway, payload format 2.0."""
    return {
        "version": "2.0", "routeKey": "$default", "rawPath": "/prod/hooks/square",
        "rawQueryString": "", "headers": headers, "isBase64Encoded": False, "body": body,
        "requestContext": {"http": {"method": "POST", "path": "/prod/hooks/square"},
                           "stage": "prod"},
    }  # fmt: skip


def test_the_signed_bytes_and_the_path_of_a_request_are_as_they_were_sent():
    found = request_of(http_v2('{"é":1}', **{"X-Square-HmacSha256-Signature": "abc"}))
    assert (found.method, found.path, found.body) == ("POST", "/hooks/square", '{"é":1}'.encode())
    assert found.headers == ((b"x-square-hmacsha256-signature", b"abc"),)
    raw = b"\x00\xff"
    event = http_v2(base64.b64encode(raw).decode()) | {"isBase64Encoded": True}
    assert request_of(event).body == raw


def test_a_request_of_payload_format_1_is_read_too():
    event = {"httpMethod": "POST", "path": "/hooks/square", "headers": {"a": "b"}, "body": "{}",
             "isBase64Encoded": False, "requestContext": {"stage": "prod"}}  # fmt: skip
    assert (kind_of(event), request_of(event).path) == ("http", "/hooks/square")


def test_kinds_of_events_are_told_apart():
    assert kind_of(http_v2("{}")) == "http"
    assert kind_of(queue_event("{}")) == "queue"
    assert [kind_of(one) for one in (S3, SNS, EVENTBRIDGE)] == ["objects"] * 3
