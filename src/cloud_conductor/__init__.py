"""Cloud Conductor: every sale proven from the signed POS webhook to the general ledger."""

__version__ = "0.1.0"
