from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from cloud_conductor.adapters.connections import NoReplyError, NotConnectedError, Reply
from cloud_conductor.adapters.http import (
    Bearer,
    CallWindow,
    HttpEngine,
    Limits,
    Response,
    retry_after_s,
)
from cloud_conductor.domain.errors import (
    ConfigError,
    OutcomeUnknown,
    RateLimited,
    VendorRefused,
    VendorUnavailable,
)

Answer = Reply | Exception


@dataclass
class Vendor:
    """A host that answers what it is given, in order; the last answer repeats. Its own clock."""

    answers: list[Answer]
    seen: list[Mapping[str, str]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    now: float = 0.0

    def send(
        self, method: str, target: str, headers: Mapping[str, str], content: bytes | None
    ) -> Reply:
        assert method in {"GET", "POST"}
        assert target.startswith("/")
        assert (content is None) == (method == "GET")
        self.seen.append(headers)
        answer = self.answers[min(len(self.seen), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        self.answers = []

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def engine(self, *, auth: Bearer | None = None, **limits: float) -> HttpEngine:
        return HttpEngine(
            "https://vendor.example.com/",
            name="Vendor",
            auth=auth,
            limits=Limits(**limits),  # type: ignore[arg-type]
            wait=self.wait,
            elapsed=lambda: self.now,
            wire=self,
        )


def status(code: int, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(code, named, b'{"a": 1 }')


def read(engine: HttpEngine) -> Response:
    return engine.request("GET", "/v2/things", query={"cursor": "a b"})


def write(engine: HttpEngine) -> Response:
    return engine.request("POST", "/v2/things", json=b"{}")


def test_the_answer_carries_the_bytes_as_sent_and_the_full_address():
    vendor = Vendor([status(200, x_day="Monday")])
    answer = read(vendor.engine())
    assert (answer.status, answer.body) == (200, b'{"a": 1 }')
    assert answer.headers["x-day"] == "Monday"
    assert answer.url == "https://vendor.example.com/v2/things?cursor=a+b"


def test_a_read_waits_as_long_as_the_vendor_asks_and_asks_again():
    vendor = Vendor([status(429, retry_after="7"), status(503, retry_after="2"), status(200)])
    assert read(vendor.engine()).status == 200
    assert vendor.waits == [7.0, 2.0]


def test_a_read_gives_up_after_its_last_attempt():
    vendor = Vendor([status(500)])
    with pytest.raises(VendorUnavailable, match="answered 500 to GET /v2/things"):
        read(vendor.engine(attempts_max=3))
    assert len(vendor.seen) == 3
    assert len(vendor.waits) == 2


def test_a_read_that_is_asked_to_wait_too_long_says_so_instead():
    vendor = Vendor([status(429, retry_after="3600")])
    with pytest.raises(RateLimited) as caught:
        read(vendor.engine(wait_s_max=60.0))
    assert caught.value.retry_after_s == 3600.0
    assert vendor.waits == []


@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        (status(429, retry_after="1"), RateLimited),
        (status(500), OutcomeUnknown),
        (status(400), VendorRefused),
        (status(403), VendorRefused),
        (NoReplyError("timed out"), OutcomeUnknown),
        (NotConnectedError("refused"), VendorUnavailable),
    ],
)
def test_a_write_is_sent_once_whatever_comes_back(answer: Answer, raised: type[Exception]):
    vendor = Vendor([answer])
    with pytest.raises(raised):
        write(vendor.engine())
    assert len(vendor.seen) == 1


def test_a_search_by_post_is_a_read_when_the_caller_says_so():
    vendor = Vendor([NoReplyError("timed out"), status(200)])
    assert vendor.engine().request("POST", "/search", json=b"{}", idempotent=True).status == 200


def test_an_expected_status_is_an_answer_and_no_error():
    engine = Vendor([status(404)]).engine()
    assert engine.request("GET", "/x", expect=(403, 404)).status == 404
    with pytest.raises(VendorRefused):
        engine.request("GET", "/x", expect=(403,))


def test_a_refused_token_is_renewed_once_and_the_call_sent_again():
    vendor = Vendor([status(401), status(200)])
    tokens = ["old"]
    auth = Bearer(lambda: tokens[-1], renew=lambda: tokens.append("new") is None)
    assert write(vendor.engine(auth=auth)).status == 200
    assert [headers["authorization"] for headers in vendor.seen] == ["Bearer old", "Bearer new"]


def test_a_token_that_stays_refused_is_an_error_after_one_renewal():
    vendor = Vendor([status(401)])
    with pytest.raises(VendorRefused):
        read(vendor.engine(auth=Bearer(lambda: "t", renew=lambda: True)))
    assert len(vendor.seen) == 2


def test_the_breaker_stops_calling_then_lets_one_call_through():
    vendor = Vendor([NotConnectedError("refused")])
    engine = vendor.engine(attempts_max=1, breaker_failures_max=2, breaker_open_s=10.0)
    for _ in range(3):
        with pytest.raises(VendorUnavailable):
            read(engine)
    assert len(vendor.seen) == 2
    vendor.now += 10.0
    vendor.answers = [status(200)]
    assert read(engine).status == 200
    assert read(engine).status == 200


def test_calls_keep_the_vendors_sliding_minute():
    vendor = Vendor([status(200)])
    engine = vendor.engine(calls_per_minute=3)
    times: list[float] = []
    for _ in range(7):
        read(engine)
        times.append(vendor.now)
    assert times == [0.0, 0.0, 0.0, 60.0, 60.0, 60.0, 120.0]


def test_a_window_without_a_limit_never_waits():
    CallWindow(0, wait=_never, elapsed=lambda: 0.0).take()


def _never(seconds: float) -> None:
    raise AssertionError(seconds)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "5"}, 5.0),
        ({"retry-after": "-5"}, 0.0),
        ({}, None),
        ({"retry-after": "soon"}, None),
        (
            {
                "retry-after": "Mon, 23 Nov 2026 10:00:30 GMT",
                "date": "Mon, 23 Nov 2026 10:00:00 GMT",
            },
            30.0,
        ),
    ],
)
def test_retry_after_is_seconds_or_a_date_against_the_answers_own(
    headers: dict[str, str], expected: float | None
):
    assert retry_after_s(headers) == expected


@pytest.mark.parametrize(
    "url", ["http://vendor.example.com", "ftp://127.0.0.1", "vendor.example.com", ""]
)
def test_credentials_never_leave_this_machine_unencrypted(url: str):
    with pytest.raises(ConfigError, match="not https"):
        HttpEngine(url, name="Vendor")


def test_a_message_names_the_vendor_the_call_and_its_answer_but_no_credential():
    vendor = Vendor([status(403)])
    with pytest.raises(VendorRefused) as caught:
        write(vendor.engine(auth=Bearer(lambda: "very-secret")))
    assert str(caught.value) == 'CC-204: Vendor answered 403 to POST /v2/things: {"a": 1 }'
