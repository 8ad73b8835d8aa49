"""What every channel must do (ports.queue.Queue).

Subclass `QueueContract` in a test file and give it two fixtures: `queue`, and `delivered`, a function
that gives (message id, body) of everything the receiver holds, of each store in order.
"""

from collections.abc import Callable

from cloud_conductor.ports.queue import Message, Queue

Delivered = Callable[[], list[tuple[str, bytes]]]
ROUNDS = 5


def new_message(number: int, store: str = "NYC01", *, body: bytes = b"") -> Message:
    """A message of which only the id, the store and the body matter."""
    return Message(
        message_id=f"{store}-{number}",
        type="sale.recorded",
        store=store,
        created_us=1_764_000_000_000_000,
        body=body or b'{"type":"sale.recorded","n":%d}' % number,
    )


class QueueContract:
    """The promises of the port, one test each."""

    def test_each_message_has_an_outcome_in_order(self, queue: Queue) -> None:
        stores = ["NYC01", "LON01"][: queue.capabilities.batch_max]
        sent = [new_message(1, store) for store in stores]
        outcomes = queue.publish(sent)
        assert [one.message_id for one in outcomes] == [one.message_id for one in sent]
        assert {one.outcome for one in outcomes} == {"sent"}

    def test_bytes_arrive_under_their_id(self, queue: Queue, delivered: Delivered) -> None:
        sent = new_message(7, body='{"café":"\\u0000","n":1.10}'.encode())
        queue.publish([sent])
        assert (sent.message_id, sent.body) in delivered()

    def test_messages_of_a_store_arrive_in_order(self, queue: Queue, delivered: Delivered) -> None:
        for number in range(ROUNDS):
            queue.publish([new_message(number, "PAR01")])
        mine = [name for name, _ in delivered() if name.startswith("PAR01")]
        assert mine == [f"PAR01-{number}" for number in range(ROUNDS)]

    def test_checking_finds_it_there_and_tells_it_nothing(
        self, queue: Queue, delivered: Delivered
    ) -> None:
        before = delivered()
        assert queue.check()
        assert delivered() == before

    def test_a_message_may_be_sent_again(self, queue: Queue, delivered: Delivered) -> None:
        """At least once: the second time succeeds, and is known by the same id."""
        for _ in range(2):
            assert queue.publish([new_message(3, "OSL01")])[0].outcome == "sent"
        assert {name for name, _ in delivered() if name.startswith("OSL01")} == {"OSL01-3"}
