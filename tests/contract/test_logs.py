import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from cloud_conductor.adapters.log.kafka import KafkaLog
from cloud_conductor.adapters.log.postgres import PostgresLog
from cloud_conductor.adapters.log.sqlite import SqliteLog
from cloud_conductor.domain.errors import ConfigError, CursorGap, VendorUnavailable
from cloud_conductor.ports.log import EventLog
from cloud_conductor.testing.log import LogContract, OpenLog, new_event
from services import tansu

pytestmark = pytest.mark.filterwarnings("error")


def _one_key_for_all(_source: str, event_id: str) -> int:
    """A forced collision: every id that starts alike has the same 64-bit key."""
    return -7 if event_id.startswith("same") else hash(event_id)


class TestSqliteLog(LogContract):
    @pytest.fixture
    def open_log(self, tmp_path: Path) -> Iterator[OpenLog]:
        opened: list[EventLog] = []

        def open_again() -> EventLog:
            opened.append(SqliteLog(tmp_path / "log.sqlite"))
            return opened[-1]

        yield open_again
        for log in opened:
            log.close()

    def test_numbers_have_no_gaps_even_over_duplicates(self, open_log: OpenLog) -> None:
        log = open_log()
        outcomes = [log.append([new_event(e)])[0] for e in ("a", "b", "a", "b", "c")]
        assert [o.seq for o in outcomes] == [1, 2, 1, 2, 3]


@pytest.mark.postgres
class TestPostgresLog(LogContract):
    @pytest.fixture
    def open_log(self, postgres_fresh_url: str) -> Iterator[OpenLog]:
        opened: list[EventLog] = []

        def open_again() -> EventLog:
            opened.append(PostgresLog(postgres_fresh_url))
            return opened[-1]

        yield open_again
        for log in opened:
            log.close()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with tansu(tmp_path_factory.mktemp("tansu")) as address:
        yield address


@pytest.fixture
def topic(broker: str) -> str:
    return f"kafka://{broker}/log-{uuid.uuid4().hex}"


class TestKafkaLog(LogContract):
    """On Tansu, a broker that cannot delete records: pruning is a record of the topic itself."""

    @pytest.fixture(params=["one index", "an index each"])
    def open_log(
        self, request: pytest.FixtureRequest, topic: str, tmp_path: Path
    ) -> Iterator[OpenLog]:
        opened: list[EventLog] = []

        def open_again() -> EventLog:
            name = "0" if request.param == "one index" else str(len(opened))
            opened.append(KafkaLog(topic, {}, tmp_path / f"index-{name}.sqlite"))
            return opened[-1]

        yield open_again
        for log in opened:
            log.close()


def _check_collisions(log: EventLog) -> None:
    first = log.append([new_event("same-1", body=b"1"), new_event("same-2", body=b"2")])
    again = log.append([new_event("same-2"), new_event("same-3", body=b"3"), new_event("same-1")])
    assert [o.duplicate for o in first] == [False, False]
    assert [o.duplicate for o in again] == [True, False, True]
    assert [o.seq for o in again] == [first[1].seq, again[1].seq, first[0].seq]
    assert [e.body for e in log.read("0", 0)] == [b"1", b"2", b"3"]


def test_a_hash_collision_loses_no_event_on_sqlite(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "log.sqlite", digest=_one_key_for_all)
    _check_collisions(log)
    log.close()


def test_a_hash_collision_loses_no_event_on_kafka(topic: str, tmp_path: Path) -> None:
    log = KafkaLog(topic, {}, tmp_path / "index.sqlite", digest=_one_key_for_all)
    _check_collisions(log)
    log.close()


def test_two_gateways_that_get_one_delivery_at_once_agree_who_was_first(
    topic: str, tmp_path: Path
) -> None:
    """Neither knows of the other's record: both are in the topic, and every index says the same."""
    one = KafkaLog(topic, {}, tmp_path / "one.sqlite")
    other = KafkaLog(topic, {}, tmp_path / "other.sqlite")
    (first,) = one.append([new_event("e-1", body=b"same")])
    (second,) = other.append([new_event("e-1", body=b"same")])
    assert (first.duplicate, second.duplicate) == (False, True)
    assert first.seq == second.seq
    for log in (one, other):
        assert [event.seq for event in log.read("0", 0)] == [first.seq]
        assert len(log.duplicates(0)) == 1
        log.close()


def test_a_topic_that_was_made_anew_is_noticed(topic: str, broker: str, tmp_path: Path) -> None:
    log = KafkaLog(topic, {}, tmp_path / "index.sqlite")
    log.append([new_event(f"e-{n}") for n in range(10)])
    log.close()
    with pytest.raises(CursorGap, match="made anew"):
        KafkaLog(f"kafka://{broker}/log-{uuid.uuid4().hex}", {}, tmp_path / "index.sqlite")


def test_a_topic_of_several_partitions_is_refused(broker: str, tmp_path: Path) -> None:
    admin = AdminClient({"bootstrap.servers": broker})
    admin.create_topics([NewTopic("many", 3)])["many"].result(10)
    with pytest.raises(ConfigError, match="3 partitions"):
        KafkaLog(f"kafka://{broker}/many", {}, tmp_path / "index.sqlite")


def test_a_broker_that_is_away_is_an_outage_and_the_next_append_goes_on(tmp_path: Path) -> None:
    options = {"delivery.timeout.ms": "1500", "request.timeout.ms": "500"}
    with tansu(tmp_path) as address:
        log = KafkaLog(f"kafka://{address}/log", options, tmp_path / "index.sqlite")
        log.append([new_event("e-1")])
    with pytest.raises(VendorUnavailable):
        log.append([new_event("e-2")])
    log.close()


@pytest.mark.postgres
def test_a_hash_collision_loses_no_event_on_postgres(postgres_fresh_url: str) -> None:
    log = PostgresLog(postgres_fresh_url, digest=_one_key_for_all)
    _check_collisions(log)
    log.close()


@pytest.mark.postgres
def test_a_lost_server_connection_is_an_outage_and_the_next_append_reconnects(
    postgres_fresh_url: str,
) -> None:
    log = PostgresLog(postgres_fresh_url)
    log.append([new_event("e-1")])
    with psycopg.connect(postgres_fresh_url, autocommit=True) as other:
        other.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )
    with pytest.raises(VendorUnavailable):
        log.append([new_event("e-2")])
    with pytest.raises(VendorUnavailable):
        log.read("0", 0)
    assert not log.append([new_event("e-2")])[0].duplicate
    assert [event.event_id for event in log.read("0", 0)] == ["e-1", "e-2"]
    log.close()
