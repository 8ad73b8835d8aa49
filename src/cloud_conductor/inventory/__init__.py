"""Stock by SKU and store: a ledger of movements, never an overwritten number."""
