"""Conform: raw events to canonical tables, quarantine for what breaks a contract, the seal.

`flow` acts. `versions` and `enrich` are pure.
"""
