"""Connections over real sockets: kept, found closed, lost half way, compressed, through a proxy."""

import gzip
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from cloud_conductor.adapters.connections import (
    Connections,
    NoReplyError,
    NotConnectedError,
    proxy_of,
)
from cloud_conductor.domain.errors import ConfigError


def answer(body: bytes, *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


class Host:
    """Answers one connection after the other with given bytes, then closes it."""

    def __init__(self, connections: Sequence[Sequence[bytes]]) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.requests: list[list[bytes]] = []
        self.closed = threading.Semaphore(0)
        self.thread = threading.Thread(target=self.run, args=(connections,))

    def run(self, connections: Sequence[Sequence[bytes]]) -> None:
        for answers in connections:
            connection, _ = self.listener.accept()
            with connection:
                asked: list[bytes] = []
                self.requests.append(asked)
                for one in answers:
                    asked.append(whole(connection))
                    connection.sendall(one)
            self.closed.release()


def whole(connection: socket.socket) -> bytes:
    """One request: a GET, or a POST of `{}`."""
    found = connection.recv(65_536)
    while found.startswith(b"POST") and not found.endswith(b"{}"):
        found += connection.recv(65_536)
    return found


@contextmanager
def host(*connections: Sequence[bytes]) -> Iterator[Host]:
    found = Host(connections)
    found.thread.start()
    try:
        yield found
    finally:
        found.listener.close()
        found.thread.join()


def connections(url: str) -> Connections:
    return Connections(url, timeout_s=5, connect_timeout_s=5)


def test_one_connection_carries_several_calls():
    with host([answer(b"one"), answer(b"two", "X-Day: Monday")]) as there:
        wire = connections(there.url)
        assert wire.send("GET", "/a?b=1", {"x": "1"}, None).body == b"one"
        second = wire.send("POST", "/c", {}, b"{}")
        wire.close()
    assert (second.status, second.body, second.headers["x-day"]) == (200, b"two", "Monday")
    (asked,) = there.requests
    assert asked[0].startswith(b"GET /a?b=1 HTTP/1.1\r\n")
    assert asked[1].endswith(b"\r\n\r\n{}")


def test_a_connection_the_host_has_closed_is_replaced_before_anything_is_sent():
    with host([answer(b"one")], [answer(b"two")]) as there:
        wire = connections(there.url)
        wire.send("GET", "/", {}, None)
        assert there.closed.acquire(timeout=5)
        assert wire.send("POST", "/", {}, b"{}").body == b"two"
        wire.close()


@pytest.mark.parametrize(
    "given", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", b"no HTTP at all\r\n\r\n"]
)
def test_an_answer_that_is_not_whole_is_no_reply(given: bytes):
    with host([given]) as there:
        wire = connections(there.url)
        with pytest.raises(NoReplyError):
            wire.send("POST", "/", {}, b"{}")


def test_a_host_nobody_listens_at_was_not_reached():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(NotConnectedError):
        connections(f"http://127.0.0.1:{port}").send("POST", "/", {}, b"{}")


def test_a_compressed_answer_is_given_as_it_was_before():
    body = gzip.compress(b'{"a":1}')
    with host([answer(body, "Content-Encoding: gzip")]) as there:
        wire = connections(there.url)
        assert wire.send("GET", "/", {}, None).body == b'{"a":1}'
        wire.close()


def test_an_answer_that_closes_leaves_no_connection_behind():
    with host([answer(b"one", "Connection: close")], [answer(b"two")]) as there:
        wire = connections(there.url)
        assert [wire.send("GET", "/", {}, None).body for _ in "ab"] == [b"one", b"two"]
        wire.close()


def test_the_proxy_of_the_environment_is_for_other_machines(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://user:pass%40@proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "inside.example")
    found = proxy_of("api.vendor.example")
    assert found is not None
    assert (found.hostname, found.port, found.username) == ("proxy.example", 3128, "user")
    assert proxy_of("inside.example") is None
    monkeypatch.setenv("HTTPS_PROXY", "socks5://proxy.example")
    with pytest.raises(ConfigError, match="HTTPS_PROXY"):
        proxy_of("api.vendor.example")
