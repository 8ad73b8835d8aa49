"""`conductor up`: run the roles of this machine."""

from pathlib import Path

import click

from cloud_conductor.cli.options import config_option


@click.command()
@config_option
@click.option(
    "--role",
    type=click.Choice(["gateway", "worker", "scheduler"]),
    default=None,
    help="One role only, in this process (for Kubernetes); default: supervise all three.",
)
def up(config_path: str | None, role: str | None) -> None:
    """Take webhooks, conform them, close the days, post and reconcile, until stopped."""
    from cloud_conductor.wiring import config as loading
    from cloud_conductor.wiring import logs

    path = loading.find_file(config_path)
    config = loading.load(path)
    logs.configure(role or "supervisor", config.state_dir)
    if role is None:
        from cloud_conductor.cli.roles import prepare
        from cloud_conductor.serve import supervisor
        from cloud_conductor.state.lock import state_lock

        with state_lock(config.state_dir, "supervisor"):
            webhooks, console = prepare(path)
            click.echo(f"conductor is up; webhooks at {webhooks}; Ctrl-C stops", err=True)
            click.echo(f"console  {console}  (this link works once, for an hour)", err=True)
            supervisor.supervise(path)
        return
    _run_role(role, path)


def _run_role(role: str, path: Path) -> None:
    from cloud_conductor.cli import roles

    {"gateway": roles.gateway, "worker": roles.worker, "scheduler": roles.scheduler}[role](path)
