"""`conductor logs`: what the processes did."""

import time
from collections.abc import Iterator
from pathlib import Path

import click

from cloud_conductor.cli.options import config_option, json_option

FOLLOW_POLL_S = 0.3


@click.command()
@config_option
@json_option
@click.option("-f", "--follow", is_flag=True, help="Keep printing as lines come.")
@click.option("--errors", is_flag=True, help="Warnings and errors only.")
@click.option(
    "--role",
    type=click.Choice(["gateway", "worker", "scheduler", "cli"]),
    default=None,
    help="One role only.",
)
@click.option("--lines", "lines_max", default=50, show_default=True, help="How many at the most.")
def logs(
    config_path: str | None,
    as_json: bool,
    follow: bool,
    errors: bool,
    role: str | None,
    lines_max: int,
) -> None:
    """Print the newest log lines of all roles, oldest first."""
    from cloud_conductor.wiring import config as loading
    from cloud_conductor.wiring.logs import log_dir

    folder = log_dir(loading.load(loading.find_file(config_path)).state_dir)
    files = sorted(folder.glob(f"{role or '*'}.jsonl"))
    rows = [row for path in files for row in _read(path, 0)[0]]
    rows.sort(key=lambda row: str(row.get("at", "")))
    for row in [row for row in rows if _wanted(row, errors=errors)][-lines_max:]:
        _print(row, as_json=as_json)
    if not follow:
        return
    offsets = {path: path.stat().st_size for path in files}
    while True:
        for path in sorted(folder.glob(f"{role or '*'}.jsonl")):
            new, offsets[path] = _read(path, offsets.get(path, 0))
            for row in new:
                if _wanted(row, errors=errors):
                    _print(row, as_json=as_json)
        time.sleep(FOLLOW_POLL_S)


def _wanted(row: dict[str, object], *, errors: bool) -> bool:
    return not errors or row.get("level") in {"warning", "error", "critical"}


def _read(path: Path, offset: int) -> tuple[list[dict[str, object]], int]:
    """Whole lines after a byte offset, and the offset behind the last whole line."""
    size = path.stat().st_size
    with path.open("rb") as handle:
        handle.seek(offset if offset <= size else 0)
        data = handle.read()
        end = handle.tell()
    whole, _, rest = data.rpartition(b"\n")
    return list(_decode(whole)), end - len(rest)


def _decode(data: bytes) -> Iterator[dict[str, object]]:
    import msgspec

    for line in data.splitlines():
        try:
            yield msgspec.json.decode(line, type=dict[str, object])
        except msgspec.DecodeError:
            yield {
                "level": "warning",
                "event": "log.unreadable",
                "line": line.decode(errors="replace"),
            }


def _print(row: dict[str, object], *, as_json: bool) -> None:
    from cloud_conductor.cli.output import emit_json

    if as_json:
        emit_json({"schema": "conductor.log/v1", **row})
        return
    head = {"at", "role", "level", "event", "traceback"}
    fields = " ".join(f"{key}={value}" for key, value in row.items() if key not in head)
    at = str(row.get("at", ""))[11:19]
    click.echo(f"{at} {row.get('role', ''):9} {row.get('event', '')} {fields}".rstrip())
    if "traceback" in row:
        click.echo(str(row["traceback"]), err=True)
