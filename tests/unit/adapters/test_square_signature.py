"""The signature is HMAC-SHA256 (RFC 2104), whatever the key, the address and the body."""

import base64
import hmac

from hypothesis import example, given
from hypothesis import strategies as st

from cloud_conductor.adapters.pos.square.webhooks import signature


@given(key=st.binary(max_size=200), url=st.text(max_size=80), body=st.binary(max_size=300))
@example(key=b"k" * 64, url="https://cc.example.com/hooks/square", body=b"{}")
@example(key=b"k" * 65, url="", body=b"")
def test_a_signature_is_that_of_the_standard_library(key: bytes, url: str, body: bytes) -> None:
    expected = base64.b64encode(hmac.digest(key, url.encode() + body, "sha256"))
    assert signature(body, key=key, url=url) == expected
    assert signature(body, key=key, url=url) == expected, "what is kept of a key is not used up"
