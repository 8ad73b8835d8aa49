"""What the console ships: every file safe, small, from here alone, and of known origin."""

import asyncio
import gzip
import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cloud_conductor.serve import console
from cloud_conductor.serve.console import CONTENT_SECURITY_POLICY, Console

STATIC = Path(console.__file__).parent / "static"
WEB = Path(__file__).parent / "web"
FIRST_ROUTE_BYTES_MAX = 90_000
PAGES = {
    "today", "live", "reconcile", "journals", "review",
    "inventory", "customers", "events", "pipelines", "settings",
}  # fmt: skip
IMPORT = re.compile(r'(?:import|export)\s[^;]*?from\s*"([^"]+)"|import\("([^"]+)"\)')
CHART = "vendor/uplot.js"


def ask(path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """One request to the static application: status, headers, body."""
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "headers": given}
    asyncio.run(Console()(scope, receive, send))
    told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], told, sent[1]["body"]


def modules() -> dict[str, str]:
    """Every module of ours by its path, without what others wrote."""
    return {
        str(path.relative_to(STATIC)): path.read_text()
        for path in STATIC.rglob("*.js")
        if path.parent.name != "vendor"
    }


def needs(name: str) -> set[str]:
    """The modules a module cannot start without, itself included."""
    found, waiting = set(), [name]
    while waiting:
        one = waiting.pop()
        if one in found:
            continue
        found.add(one)
        if one.startswith("vendor/"):
            continue
        for static, _lazy in IMPORT.findall((STATIC / one).read_text()):
            if static:
                waiting.append(str(((STATIC / one).parent / static).resolve().relative_to(STATIC)))
    return found


def test_a_place_in_the_console_is_answered_with_the_page():
    for path in ("/", *(f"/{page}" for page in PAGES)):
        status, headers, body = ask(path)
        assert status == 200, path
        assert headers["content-type"].startswith("text/html"), path
        assert b"/static/app.js" in body


def test_every_answer_carries_the_policy_and_is_not_sniffed():
    for path in ("/", "/static/app.js", "/static/nothing.js"):
        _, headers, _ = ask(path)
        assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert headers["x-content-type-options"] == "nosniff"
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "default-src 'none'" in CONTENT_SECURITY_POLICY


def test_a_file_the_browser_has_is_not_sent_again():
    status, headers, body = ask("/static/app.js")
    assert (status, body) == (200, (STATIC / "app.js").read_bytes())
    status, _, body = ask("/static/app.js", if_none_match=headers["etag"])
    assert (status, body) == (304, b"")


def test_text_is_sent_compressed_to_those_who_take_it():
    _, headers, body = ask("/static/style.css", accept_encoding="gzip, br")
    assert headers["content-encoding"] == "gzip"
    assert gzip.decompress(body) == (STATIC / "style.css").read_bytes()
    assert (
        "content-encoding" not in ask("/static/vendor/inter-latin.woff2", accept_encoding="gzip")[1]
    )


@pytest.mark.parametrize(
    "path",
    ["/static/../files.py", "/static/%2e%2e/files.py", "/static/vendor/versions.json", "/static/"],
)
def test_nothing_but_the_listed_files_is_served(path: str):
    assert ask(path)[0] == 404


def test_the_console_is_only_read():
    status, headers, _ = ask("/today", method="POST")
    assert (status, headers["allow"]) == (405, "GET, HEAD")
    assert ask("/today", method="HEAD")[2] == b""


def test_every_import_leads_to_a_file_that_is_served():
    served = set(Console().pages)
    for name, text in modules().items():
        for static, lazy in IMPORT.findall(text):
            target = ((STATIC / name).parent / (static or lazy)).resolve().relative_to(STATIC)
            assert str(target) in served, f"{name} imports {static or lazy}"
    assert {f"pages/{page}.js" for page in PAGES} <= served


def test_the_first_route_stays_within_its_budget():
    first = (needs("app.js") | needs("pages/today.js")) - {CHART}
    packed = sum(len(gzip.compress((STATIC / name).read_bytes(), 9)) for name in first)
    assert packed <= FIRST_ROUTE_BYTES_MAX, f"{packed} bytes of script, gzipped: {sorted(first)}"
    assert CHART not in needs("app.js") | needs("pages/today.js"), "the chart library is lazy"


def test_no_file_of_ours_names_another_host_or_writes_markup_unescaped():
    for name, text in modules().items():
        assert not re.search(r"https?://", text), f"{name} names a host"
        assert not re.search(r"innerHTML|dangerouslySetInnerHTML|document\.write|\beval\(", text), (
            name
        )
    page = (STATIC / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page)


def test_what_others_wrote_is_what_the_recipe_made():
    told = json.loads((STATIC / "vendor" / "versions.json").read_text())["files"]
    copied = {path.name for path in (STATIC / "vendor").iterdir()} - {
        "versions.json",
        "LICENSES.txt",
    }
    assert copied == set(told)
    wanted = json.loads((WEB / "package.json").read_text())["devDependencies"]
    licences = (STATIC / "vendor" / "LICENSES.txt").read_text()
    for name, facts in told.items():
        digest = hashlib.sha256((STATIC / "vendor" / name).read_bytes()).hexdigest()
        assert digest == facts["sha256"], f"{name} was changed by hand: npm run vendor"
        for package in facts["packages"]:
            assert wanted[package["name"]] == package["version"]
            assert f"{package['name']} {package['version']}".casefold() in licences.casefold()


def test_types_hold():
    node, compiler = shutil.which("node"), WEB / "node_modules" / ".bin" / "tsc"
    if node is None or not compiler.exists():
        pytest.skip("type check of the console: needs node, and `npm ci` in tests/console/web")
    done = subprocess.run(
        [node, "types.mjs"], cwd=WEB, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
