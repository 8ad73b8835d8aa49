"""Square: webhooks, Orders, Payments, Refunds, Payouts, Cash Drawers, Gift Cards, Catalog APIs.

`client.Square` calls Square, `webhooks.SquareVerifier` proves its webhooks, `decode` turns its
bodies into canonical tables. Nothing is imported here: the intake route loads the verifier alone.
"""
