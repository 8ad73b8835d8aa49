"""Vendor simulators: real HTTP servers with real signatures, business rules and planned faults.

Nothing here imports the product: the sandbox is the judge, so its arithmetic (exact fractions,
rounded half to even) is written a second time on purpose.
"""
