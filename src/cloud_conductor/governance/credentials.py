"""API keys, one-time links and session tokens: how they look and what is kept of them. Pure.

Only digests are stored. A token has 256 random bits, so a plain SHA-256 is as good as a slow hash.
"""

import hashlib
import hmac

import msgspec

PREFIX = "cc_live"
SECRET_BYTES = 32
ID_BYTES = 8


class ApiKey(msgspec.Struct, frozen=True):
    """`cc_live_<id>_<secret>`: the id may be shown, the secret only once."""

    key_id: str
    secret: str

    @property
    def text(self) -> str:
        return f"{PREFIX}_{self.key_id}_{self.secret}"


def parse(text: str) -> ApiKey | None:
    """The key of a header's text, or None when it has another shape."""
    head, _, rest = text.partition(f"{PREFIX}_")
    key_id, _, secret = rest.partition("_")
    if head or not key_id.isalnum() or not secret.isalnum():
        return None
    if not key_id.isascii() or not secret.isascii():
        return None
    return ApiKey(key_id, secret)


def digest(secret: str) -> str:
    """What is stored in place of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def is_same(secret: str, stored: str) -> bool:
    """Constant-time comparison of a secret with a stored digest."""
    return hmac.compare_digest(digest(secret), stored)
