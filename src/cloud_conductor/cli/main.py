"""`conductor`: commands are imported when they are called, so that --help answers at once."""

import importlib
import sys
from typing import Any

import click

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("demo", "A day of sales to the ledger and back, in a throw-away folder."),
    "init": ("init", "Write conductor.toml for a seller and a ledger; never overwrites."),
    "up": ("up", "Run the gateway, the worker and the scheduler on this machine."),
    "connect": ("connect", "Connect a source with its seller's consent (OAuth)."),
    "doctor": ("doctor", "Check configuration, secrets, vendors, mapping, disk and databases."),
    "status": ("status", "One screen: what flows, what is late, what needs you."),
    "run": ("run", "Run one pipeline now: sweep, close, post, reconcile, vacuum, ..."),
    "backfill": ("backfill", "Fetch and close a range of business dates again."),
    "replay": ("replay", "Rebuild the processed zone from the event log; never posts."),
    "quarantine": (
        "quarantine",
        "Records that broke their contract: list, show, release.",
    ),
    "reconcile": ("reconcile", "Compare till, processor, facts, entries and ledger: six levels."),
    "journals": ("journals", "Entries: list, show, approve, post."),
    "landing": ("landing", "Exports that land in a folder or a bucket: take, list."),
    "publish": ("publish", "Tell others what happened: run, list, replay dead letters."),
    "breaks": ("breaks", "Differences left open: list, assign, accept."),
    "metrics": ("metrics", "Figures as REST and console give them: net sales."),
    "alerts": ("alerts", "What is wrong now: list, acknowledge."),
    "users": ("users", "Who may sign in, and what they may: list, add, remove, link."),
    "keys": ("keys", "API keys: list, create, revoke."),
    "audit": ("audit", "The chain of who did what: verify."),
    "openapi": ("openapi", "Print the description of the REST API."),
    "query": ("query", "Ask the processed zone in SQL, read-only."),
    "logs": ("logs", "What the processes did, one line per unit of work."),
    "explain": ("explain", "What an error code means and what fixes it."),
    "config": ("config", "Show each setting and where it came from."),
    "sandbox": ("sandbox", "Run a simulated Square seller or Xero organisation."),
}


class LazyGroup(click.Group):
    """A group that knows its commands' names and imports a command only when it is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"cloud_conductor.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise click.UsageError(f"{error.message.rstrip('.')}.{hint}", ctx) from None


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of a failure.")
@click.version_option(package_name="cloud-conductor", prog_name="conductor")
@click.pass_context
def conductor(ctx: click.Context, debug: bool) -> None:
    """Every retail sale, proven from the signed POS webhook to the general ledger."""
    ctx.obj = {"debug": debug}


def main(argv: list[str] | None = None) -> None:
    """Entry point: runs a command and turns its outcome into an exit code (docs/reference/cli.md)."""
    args = sys.argv[1:] if argv is None else argv
    try:
        result: Any = conductor.main(args=args, prog_name="conductor", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
    except Exception as error:  # noqa: BLE001 - the shell's last line: explain, log, exit
        from cloud_conductor.cli.output import fail

        sys.exit(fail(error, debug="--debug" in args))
    sys.exit(result if isinstance(result, int) else 0)


if __name__ == "__main__":
    main()
