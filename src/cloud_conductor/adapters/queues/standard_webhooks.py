"""Standard Webhooks: one signed POST per message.

Docs: Standard Webhooks specification 1.0 ("Webhook metadata", "Signature scheme", "Deliverability and
reliability"). Signed is `<id>.<timestamp>.<body>` by HMAC-SHA256 under the base64 secret after
`whsec_`; a receiver refuses a timestamp that is minutes old, so every attempt is signed anew.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

import httpx

from cloud_conductor.domain.errors import ConfigError, VendorRefused, VendorUnavailable
from cloud_conductor.ports.clock import Clock
from cloud_conductor.ports.queue import Delivery, Message, Outcome, QueueCapabilities

PREFIX = "whsec_"
SECRET_BYTES_MIN, SECRET_BYTES_MAX = 24, 64  # the specification's bounds
TIMEOUT_S = 15.0  # the specification's lower bound for senders
ERROR_CHARS = 200
GONE = 410  # the receiver is gone for good


class StandardWebhooks:
    """A receiver at `url` (ports.queue.Queue). clock: the machine's: receivers check the age.

    secrets: newest first; a message is signed with each, so that a receiver may change over.
    """

    capabilities = QueueCapabilities(batch_max=1, body_bytes_max=1_048_576)

    def __init__(self, url: str, secrets: Sequence[str], clock: Clock) -> None:
        self._url = url
        self._keys = [_key(secret) for secret in secrets]
        if not self._keys:
            raise ConfigError("a Standard Webhooks channel needs a secret", hint="set secret")
        self._clock = clock
        self._http = httpx.Client(timeout=TIMEOUT_S, follow_redirects=False)

    def publish(self, messages: Sequence[Message]) -> list[Delivery]:
        return [self._post(message) for message in messages]

    def check(self) -> str:
        """Any answer to HEAD will do: a receiver need not know the method."""
        try:
            answer = self._http.head(self._url)
        except httpx.HTTPError as error:
            raise VendorUnavailable(f"{self._url} was not reached: {error!r}") from error
        if answer.status_code == GONE:
            raise VendorRefused(f"{self._url} answers that it is gone for good")
        return f"{self._url} answers; {len(self._keys)} secrets"

    def close(self) -> None:
        self._http.close()

    def _post(self, message: Message) -> Delivery:
        timestamp = str(int(self._clock.now().timestamp()))
        signed = f"{message.message_id}.{timestamp}.".encode() + message.body
        signatures = (base64.b64encode(_mac(key, signed)).decode() for key in self._keys)
        headers = {
            "content-type": "application/json",
            "webhook-id": message.message_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": " ".join(f"v1,{one}" for one in signatures),
        }
        try:
            answer = self._http.post(self._url, content=message.body, headers=headers)
        except httpx.HTTPError as error:
            return Delivery(message.message_id, "failed", f"no answer: {error!r}")
        if answer.is_success:
            return Delivery(message.message_id, "sent")
        said = f"answered {answer.status_code}: {answer.text[:ERROR_CHARS]}".removesuffix(": ")
        outcome: Outcome = "refused" if answer.status_code == GONE else "failed"
        return Delivery(message.message_id, outcome, said)


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not secret.startswith(PREFIX) or not SECRET_BYTES_MIN <= len(key) <= SECRET_BYTES_MAX:
        raise ConfigError(
            f"a Standard Webhooks secret is {PREFIX} and base64 of {SECRET_BYTES_MIN} to"
            f" {SECRET_BYTES_MAX} bytes"
        )
    return key


def _mac(key: bytes, signed: bytes) -> bytes:
    return hmac.new(key, signed, hashlib.sha256).digest()
