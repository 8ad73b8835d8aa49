"""The web till of a simulated seller, served beside its API.

    GET  /sandbox/till/             the till; its script calls the seller's own Square endpoints
    GET  /sandbox/till/setup.json   {"token", "console"}: what the page cannot know
    GET  /sandbox/till/faults       the panel's switches
    POST /sandbox/till/faults       {"name", "on"} turns one; answers all of them

The page rings up what a person taps, as any client with the seller's token could.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.resources import files

import msgspec

from cloud_conductor.sandbox.http import Answer, Request
from cloud_conductor.sandbox.till.panel import Panel

PREFIX = "/sandbox/till"
KINDS = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:"
)


@dataclass(slots=True)
class Counter:
    """The till's pages. token: of the seller's API. console: where the product's console is."""

    token: str
    panel: Panel | None = None
    console: str = ""
    _files: dict[str, bytes] = field(default_factory=dict)

    def answer(self, request: Request) -> Answer:
        """Answer a request below /sandbox/till."""
        name = request.path.removeprefix(PREFIX).strip("/") or "index.html"
        if name == "setup.json":
            return Answer.json({"token": self.token, "console": self.console})
        if name == "faults" and self.panel is not None:
            return _faults(self.panel, request)
        body = self._file(name)
        if body is None:
            return Answer.json({"message": f"the till has no {name}"}, 404)
        kind = KINDS[name.rpartition(".")[2]]
        return Answer(200, body, {"content-type": kind, "content-security-policy": POLICY})

    def _file(self, name: str) -> bytes | None:
        if not self._files:
            folder = files(__package__) / "static"
            self._files = {
                one.name: one.read_bytes()
                for one in folder.iterdir()
                if one.name.rpartition(".")[2] in KINDS
            }
        return self._files.get(name)


def _faults(panel: Panel, request: Request) -> Answer:
    if request.method != "POST":
        return Answer.json({"faults": panel.describe()})
    try:
        wanted = request.json() or {}
        panel.switch(str(wanted["name"]), on=bool(wanted["on"]))
    except (msgspec.DecodeError, KeyError, TypeError, ValueError) as wrong:
        return Answer.json({"message": f"not a switch of the panel: {wrong}"}, 400)
    return Answer.json({"faults": panel.describe()})
