"""Every channel delivers bytes under their id, and the FIFO ones keep the order of a store."""

import json
import tempfile
import uuid
from pathlib import Path

import botocore.session
import confluent_kafka
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from cloud_conductor.adapters.clock import SystemClock
from cloud_conductor.adapters.queues.kafka import KafkaTopic
from cloud_conductor.adapters.queues.sns import Sns
from cloud_conductor.adapters.queues.sqs import Sqs
from cloud_conductor.adapters.queues.standard_webhooks import StandardWebhooks
from cloud_conductor.domain.errors import ConfigError, VendorRefused, VendorUnavailable
from cloud_conductor.ports.queue import Message
from cloud_conductor.testing.queue import QueueContract
from receivers import SECRET, Receiver
from services import aws, free_port, tansu

DAY_US = 1_795_300_000_000_000


def message(number, store="NYC01", **changes):
    body = json.dumps({"type": "sale.recorded", "n": number}).encode()
    given = {"message_id": f"{store}-{number}", "type": "sale.recorded", "store": store,
             "created_us": DAY_US, "body": body}  # fmt: skip
    return Message(**given | changes)


@pytest.fixture(scope="module")
def endpoint():
    with (
        tempfile.TemporaryDirectory() as folder,
        pytest.MonkeyPatch.context() as patch,
        aws(Path(folder), patch) as url,
    ):
        yield url


@pytest.fixture(scope="module")
def broker():
    with tempfile.TemporaryDirectory() as folder, tansu(Path(folder)) as address:
        yield address


def service(name, endpoint):
    return botocore.session.Session().create_client(name, endpoint_url=endpoint)


def fifo(endpoint, name="sales.fifo"):
    sqs = service("sqs", endpoint)
    url = sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})["QueueUrl"]
    return sqs, url


def received(sqs, url):
    found = []
    while True:
        answer = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"],
            MessageAttributeNames=["All"],
        ).get("Messages", [])  # fmt: skip
        if not answer:
            return found
        for one in answer:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
        found += answer


class TestSqsFifo(QueueContract):
    @pytest.fixture
    def address(self, endpoint):
        return fifo(endpoint, f"{uuid.uuid4().hex}.fifo")

    @pytest.fixture
    def queue(self, endpoint, address):
        opened = Sqs(address[1], endpoint=endpoint)
        yield opened
        opened.close()

    @pytest.fixture
    def delivered(self, address):
        return lambda: [
            (one["MessageAttributes"]["message_id"]["StringValue"], one["Body"].encode())
            for one in received(*address)
        ]


class TestKafkaTopic(QueueContract):
    @pytest.fixture
    def topic(self, broker):
        name = f"topic-{uuid.uuid4().hex}"
        admin = AdminClient({"bootstrap.servers": broker})
        admin.create_topics([NewTopic(name, 3, 1)])[name].result(10)
        return name

    @pytest.fixture
    def queue(self, broker, topic):
        opened = KafkaTopic(f"kafka://{broker}/{topic}", {})
        yield opened
        opened.close()

    @pytest.fixture
    def delivered(self, broker, topic):
        return lambda: [
            (dict(one.headers())["message_id"].decode(), one.value())
            for one in kafka_records(broker, topic)
        ]


class TestStandardWebhooksChannel(QueueContract):
    @pytest.fixture
    def receiver(self):
        with Receiver() as found:
            yield found

    @pytest.fixture
    def queue(self, receiver):
        opened = StandardWebhooks(receiver.url, [SECRET], SystemClock())
        yield opened
        opened.close()

    @pytest.fixture
    def delivered(self, receiver):
        return lambda: list(zip(receiver.ids, receiver.bodies, strict=True))


class TestSqs:
    def test_a_fifo_queue_gets_store_as_group_and_the_id_against_doubles(self, endpoint):
        sqs, url = fifo(endpoint)
        queue = Sqs(url, endpoint=endpoint)
        batch = [message(1), message(1, "LON01")]
        assert [one.outcome for one in queue.publish(batch)] == ["sent", "sent"]
        assert [one.outcome for one in queue.publish([message(1)])] == ["sent"], "sent again"
        queue.publish([message(2)])
        queue.close()
        found = received(sqs, url)
        assert len(found) == 3
        groups = [
            one["MessageAttributes"]["message_id"]["StringValue"]
            for one in found
            if one["Attributes"]["MessageGroupId"] == "NYC01"
        ]
        assert groups == ["NYC01-1", "NYC01-2"]
        assert json.loads(found[0]["Body"])["n"] == 1

    def test_a_standard_queue_takes_no_group(self, endpoint):
        sqs = service("sqs", endpoint)
        url = sqs.create_queue(QueueName="others")["QueueUrl"]
        queue = Sqs(url, endpoint=endpoint)
        assert queue.publish([message(7)])[0].outcome == "sent"
        assert len(received(sqs, url)) == 1

    def test_a_queue_that_is_not_there_needs_a_person(self, endpoint):
        _, url = fifo(endpoint)
        queue = Sqs(url.replace("sales.fifo", "nowhere.fifo"), endpoint=endpoint)
        with pytest.raises(VendorRefused, match=r"nowhere\.fifo"):
            queue.publish([message(1)])

    def test_a_service_that_is_away_is_an_outage(self, endpoint):
        del endpoint  # for its credentials
        away = f"http://127.0.0.1:{free_port()}"
        with pytest.raises(VendorUnavailable):
            Sqs(f"{away}/1/sales.fifo", endpoint=away).publish([message(1)])


def test_an_sns_fifo_topic_hands_on_to_its_queue_in_order(endpoint):
    sqs, url = fifo(endpoint, "fan.fifo")
    sns = service("sns", endpoint)
    arn = sns.create_topic(Name="sales.fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
    target = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=target["Attributes"]["QueueArn"])
    queue = Sns(arn, endpoint=endpoint)
    for n in (1, 2):
        assert queue.publish([message(n)])[0].outcome == "sent"
    bodies = [json.loads(one["Body"]) for one in received(sqs, url)]
    assert [json.loads(one["Message"])["n"] for one in bodies] == [1, 2]


class TestKafka:
    def test_a_stores_messages_are_in_order_in_one_partition(self, broker):
        admin = AdminClient({"bootstrap.servers": broker})
        admin.create_topics([NewTopic("sales", 3, 1)])["sales"].result(10)
        queue = KafkaTopic(f"kafka://{broker}/sales", {})
        for n in range(50):
            outcomes = queue.publish([message(n), message(n, "LON01")])
            assert {one.outcome for one in outcomes} == {"sent"}
        queue.close()
        found = kafka_records(broker, "sales")
        assert len(found) == 100
        for store in ("NYC01", "LON01"):
            mine = [one for one in found if one.key() == store.encode()]
            assert len({one.partition() for one in mine}) == 1
            assert [json.loads(one.value())["n"] for one in mine] == list(range(50))
        assert dict(found[0].headers())["type"] == b"sale.recorded"

    def test_a_broker_that_is_away_is_an_outage(self):
        options = {"delivery.timeout.ms": "500", "request.timeout.ms": "200"}
        queue = KafkaTopic(f"kafka://127.0.0.1:{free_port()}/sales", options)
        outcomes = queue.publish([message(1), message(2)])
        assert {one.outcome for one in outcomes} == {"failed"}

    def test_an_address_without_a_topic_is_refused(self):
        with pytest.raises(ConfigError, match="kafka://"):
            KafkaTopic("kafka://127.0.0.1:9092", {})


def kafka_records(broker, topic):
    """Everything a topic holds, partition by partition."""
    reader = confluent_kafka.Consumer(
        {"bootstrap.servers": broker, "group.id": "test", "enable.partition.eof": True}
    )
    partitions = reader.list_topics(topic, 10).topics[topic].partitions
    reader.assign([confluent_kafka.TopicPartition(topic, n, 0) for n in partitions])
    found, ended = [], set()
    while len(ended) < len(partitions):
        record = reader.poll(20)
        assert record is not None, "the broker gives nothing"
        if record.error():
            ended.add(record.partition())
        else:
            found.append(record)
    reader.close()
    return sorted(found, key=lambda one: (one.partition(), one.offset()))


class TestStandardWebhooks:
    """What is sent is judged by the specification's own library (`receivers`)."""

    def test_a_message_is_signed_with_its_id_and_time(self):
        with Receiver() as receiver:
            queue = StandardWebhooks(receiver.url, [SECRET], SystemClock())
            assert queue.publish([message(1)])[0].outcome == "sent"
            queue.close()
        assert (receiver.ids, receiver.taken[0]["n"]) == (["NYC01-1"], 1)

    def test_while_a_secret_changes_both_signatures_are_sent(self):
        other = "whsec_" + "A" * 32
        with Receiver() as receiver:
            queue = StandardWebhooks(receiver.url, [other, SECRET], SystemClock())
            assert queue.publish([message(1)])[0].outcome == "sent"
            queue.close()

    @pytest.mark.parametrize(
        ("status", "outcome"), [(500, "failed"), (429, "failed"), (302, "failed"), (410, "refused")]
    )
    def test_an_answer_that_is_not_2xx_is_no_delivery(self, status, outcome):
        with Receiver() as receiver:
            receiver.answer = lambda _: status
            queue = StandardWebhooks(receiver.url, [SECRET], SystemClock())
            assert queue.publish([message(1)])[0].outcome == outcome
            queue.close()

    def test_a_receiver_that_is_away_is_tried_again(self):
        queue = StandardWebhooks(f"http://127.0.0.1:{free_port()}/", [SECRET], SystemClock())
        assert queue.publish([message(1)])[0].outcome == "failed"
        queue.close()

    @pytest.mark.parametrize("secret", ["", "whsec_c2hvcnQ=", "hunter2", "whsec_?"])
    def test_a_secret_the_specification_would_not_take_is_refused(self, secret):
        with pytest.raises(ConfigError, match="secret"):
            StandardWebhooks("http://127.0.0.1/", [secret] if secret else [], SystemClock())
