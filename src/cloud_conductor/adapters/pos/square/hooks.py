"""The envelopes that webhooks bring objects of `wire` in.

Docs: "Webhook event object" and the event types named below (API version 2025-08-20).
"""

from cloud_conductor.adapters.pos.square import wire


class PaymentBox(wire.Wire, frozen=True):
    payment: wire.Payment


class RefundBox(wire.Wire, frozen=True):
    refund: wire.Refund


class PayoutBox(wire.Wire, frozen=True):
    payout: wire.Payout


class DisputeBox(wire.Wire, frozen=True):
    dispute: wire.Dispute


class GiftCardActivityBox(wire.Wire, frozen=True):
    gift_card_activity: wire.GiftCardActivity


class PaymentData(wire.Wire, frozen=True):
    object: PaymentBox


class RefundData(wire.Wire, frozen=True):
    object: RefundBox


class PayoutData(wire.Wire, frozen=True):
    object: PayoutBox


class DisputeData(wire.Wire, frozen=True):
    object: DisputeBox


class GiftCardActivityData(wire.Wire, frozen=True):
    object: GiftCardActivityBox


class PaymentHook(wire.Wire, frozen=True):
    """Webhook payment.created, payment.updated."""

    data: PaymentData


class RefundHook(wire.Wire, frozen=True):
    """Webhook refund.created, refund.updated."""

    data: RefundData


class PayoutHook(wire.Wire, frozen=True):
    """Webhook payout.sent, payout.paid, payout.failed."""

    data: PayoutData


class DisputeHook(wire.Wire, frozen=True):
    """Webhook dispute.created, dispute.state.updated."""

    data: DisputeData


class GiftCardActivityHook(wire.Wire, frozen=True):
    """Webhook gift_card.activity.created, gift_card.activity.updated."""

    data: GiftCardActivityData
