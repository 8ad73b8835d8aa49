"""The envelopes that webhooks bring objects of `wire` in.

Docs: "Webhook event object" and the event types named below (API version 2025-08-20).
"""

from typing import Generic, TypeVar

from cloud_conductor.adapters.pos.square import wire

T = TypeVar("T")


class PaymentBox(wire.Wire, frozen=True):
    """Of payment.created, payment.updated."""

    payment: wire.Payment


class RefundBox(wire.Wire, frozen=True):
    """Of refund.created, refund.updated."""

    refund: wire.Refund


class PayoutBox(wire.Wire, frozen=True):
    """Of payout.sent, payout.paid, payout.failed."""

    payout: wire.Payout


class DisputeBox(wire.Wire, frozen=True):
    """Of dispute.created, dispute.state.updated."""

    dispute: wire.Dispute


class GiftCardActivityBox(wire.Wire, frozen=True):
    """Of gift_card.activity.created, gift_card.activity.updated."""

    gift_card_activity: wire.GiftCardActivity


class Data(wire.Wire, Generic[T], frozen=True):
    object: T


class Hook(wire.Wire, Generic[T], frozen=True):
    """A webhook with the box of its object."""

    data: Data[T]
