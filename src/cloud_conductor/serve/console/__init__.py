"""The console: ES modules as written, served from memory (decision 18)."""

from cloud_conductor.serve.console.files import CONTENT_SECURITY_POLICY, Console

__all__ = ["CONTENT_SECURITY_POLICY", "Console"]
