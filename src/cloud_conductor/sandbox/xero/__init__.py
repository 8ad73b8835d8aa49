"""A simulated Xero organisation: accounting, finance and identity APIs as one HTTP server."""

from cloud_conductor.sandbox.xero.app import XeroSandbox, application, build, run, start
from cloud_conductor.sandbox.xero.organisation import Organisation

__all__ = ["Organisation", "XeroSandbox", "application", "build", "run", "start"]
