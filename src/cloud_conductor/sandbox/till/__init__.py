"""What a simulated vendor shows a person: a web till, documents as pages, a panel of faults."""

from cloud_conductor.sandbox.till.counter import Counter
from cloud_conductor.sandbox.till.crowd import Crowd
from cloud_conductor.sandbox.till.panel import Panel

__all__ = ["Counter", "Crowd", "Panel"]
