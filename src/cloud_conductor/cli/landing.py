"""`conductor landing`: exports that land in a folder or a bucket."""

import click

from cloud_conductor.cli.options import config_option, json_option

LINES_MAX = 20  # files that nobody takes, one by one; `landing list` has all


@click.group()
def landing() -> None:
    """Look for exports now, and see what became of each file."""


@landing.command()
@config_option
@json_option
def take(config_path: str | None, as_json: bool) -> None:
    """Look at every place of [landing.*] now and conform what was new. Names what nobody takes."""
    import msgspec

    from cloud_conductor.cli.output import emit_json, say
    from cloud_conductor.conform import flow as conform
    from cloud_conductor.ingest import flow as ingest
    from cloud_conductor.ingest.flow_landing import run_landing
    from cloud_conductor.state import landing as state
    from cloud_conductor.wiring.house import open_house

    with open_house(config_path) as house:
        looked = msgspec.structs.asdict(run_landing(house.landing_deps, house.clock.now()))
        with house.lake_lock():
            conform.run_conform(house.conform_deps)
        ingest.run_archive(house.ingest_deps)
        strange = [row for row in state.files(house.worker) if row.state == state.UNKNOWN]
    if as_json:
        emit_json({"schema": "conductor.landing/v1", **looked})
    else:
        click.echo(" ".join(f"{key}={value}" for key, value in looked.items()))
    for row in strange[:LINES_MAX]:
        say(f"{row.source}: {row.path} is not taken: {row.problem}")
    if len(strange) > LINES_MAX:
        say(f"and {len(strange) - LINES_MAX} more: conductor landing list")


@landing.command("list")
@config_option
@json_option
def list_(config_path: str | None, as_json: bool) -> None:
    """Every file that was taken or refused, or that nobody takes, by its latest content."""
    import msgspec

    from cloud_conductor.cli.output import emit_json, table
    from cloud_conductor.state import landing as state
    from cloud_conductor.wiring.house import open_house

    with open_house(config_path) as house:
        rows = state.files(house.worker)
    if as_json:
        files = [msgspec.structs.asdict(row) for row in rows]
        emit_json({"schema": "conductor.landed/v1", "files": files})
        return
    table(
        [("source", "left"), ("file", "left"), ("state", "left"), ("records", "right"),
         ("new", "right"), ("problem", "left")],
        [
            (row.source, row.path, row.state, str(row.records), str(row.new_records), row.problem)
            for row in rows
        ],
        title="landed files",
    )  # fmt: skip
