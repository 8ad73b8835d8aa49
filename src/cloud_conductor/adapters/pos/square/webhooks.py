"""Square webhooks: signature and envelope, with no network and no heavy import behind them.

Docs: "Verify and Validate an Event Notification", "Square Webhooks" (read 2026-11).
"""

import base64
import hmac
from collections.abc import Mapping
from typing import ClassVar

import msgspec

from cloud_conductor.ports.pos import Envelope

SIGNATURE_HEADER = b"x-square-hmacsha256-signature"
UNREADABLE = Envelope(event_id="", kind="malformed", merchant_id="")
TEXT_CHARS_MAX = 255


class _Notice(msgspec.Struct):
    """The three fields the intake needs; the rest of the body is not looked at."""

    event_id: str
    type: str
    merchant_id: str = ""


_DECODER = msgspec.json.Decoder(_Notice)


class SquareVerifier:
    """Satisfies ports.pos.PosVerifier."""

    HEADERS_KEPT: ClassVar[tuple[bytes, ...]] = (
        SIGNATURE_HEADER,  # kept so that the raw bytes can be proven again later
        b"content-type",
        b"square-environment",
        b"square-initial-delivery-timestamp",
        b"square-retry-number",
        b"square-retry-reason",
        b"square-version",
    )

    def verify(self, headers: Mapping[bytes, bytes], body: bytes, *, key: bytes, url: str) -> bool:
        """True when the header is base64(HMAC-SHA256(key, url + body)), in constant time.

        url: the subscription's own, byte for byte; never rebuilt from the request.
        """
        return hmac.compare_digest(
            signature(body, key=key, url=url), headers.get(SIGNATURE_HEADER, b"")
        )

    def envelope(self, body: bytes) -> Envelope:
        """What the body calls itself; UNREADABLE when it is not a notice with sane names."""
        try:
            notice = _DECODER.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return UNREADABLE
        if not all(map(_is_name, (notice.event_id, notice.type))):
            return UNREADABLE
        merchant_id = notice.merchant_id if _is_name(notice.merchant_id) else ""
        return Envelope(event_id=notice.event_id, kind=notice.type, merchant_id=merchant_id)


def signature(body: bytes, *, key: bytes, url: str) -> bytes:
    """base64 of HMAC-SHA256 over the notification URL followed by the raw body."""
    return base64.b64encode(hmac.digest(key, url.encode() + body, "sha256"))


def _is_name(text: str) -> bool:
    """Printable, not empty, of a length an index can hold."""
    return 0 < len(text) <= TEXT_CHARS_MAX and text.isprintable()
