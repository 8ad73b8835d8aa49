"""POS vendors (ports.pos): one module or package each."""
