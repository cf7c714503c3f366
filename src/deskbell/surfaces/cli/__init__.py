"""The command line. A command's module is imported when the command is called, so that help comes at once."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from deskbell import __version__

HELP = "deskbell.help"  # whether help is asked for, which comes even where settings cannot be read

#: Every command, the module beside this one that has it under the same name, and what it does.
COMMANDS = {
    "serve": ("serve", "Serve the API until Ctrl-C."),
    "demo": ("demo", "Make a demo organization and print commands to try."),
    "org": ("organizations", "Create, list, show and update organizations."),
    "key": ("keys", "Create, list, update and revoke API keys."),
    "app": ("applications", "Create, list and revoke applications and their keys."),
    "agent": ("agents", "Create, publish and look at agents."),
    "kb": ("knowledge", "Create, fill and search knowledge bases."),
    "credits": ("credits", "Add credits, set budgets and show what was used."),
    "person": ("people", "Add, list and remove members of a team."),
    "dnc": ("dnc", "Keep the do-not-call list."),
    "lead": ("leads", "Erase a person for good."),
    "mcp": ("mcp", "Serve the tools to an AI client that starts programs."),
    "simulate": ("simulate", "Let a text come in, as if from a carrier."),
    "backup": ("data", "Copy the database while it is in use."),
    "restore": ("data", "Replace the database by a backup."),
    "migrate": ("data", "Bring the database's schema up to date."),
    "copy": ("copying", "Move the data from SQLite to PostgreSQL."),
    "embedder": ("embedder", "Install the model that finds passages by meaning."),
    "doctor": ("doctor", "Explain what is wrong and what to do."),
    "version": ("version", "Print the version."),
}


class Commands(click.Group):
    """The commands of the table; what goes wrong in an expected way ends as one line and status 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"{__name__}.{COMMANDS[cmd_name][0]}")
        found: click.Command = getattr(module, cmd_name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help) for name, (_, help) in COMMANDS.items()])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for word in args:
            try:
                word.encode()
            except UnicodeEncodeError:
                raise click.UsageError(f"{word!a} is not valid UTF-8.", ctx) from None
        ctx.meta[HELP] = not set(ctx.help_option_names).isdisjoint(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            from deskbell.surfaces.cli.database import explained

            if (line := explained(error)) is None:
                raise
            raise click.ClickException(line) from error


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--database", metavar="URL", help="Where the data is; by default DESKBELL_DATABASE or sqlite:///deskbell.db."
)
@click.version_option(__version__, prog_name="deskbell", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context, database: str | None) -> None:
    """Deskbell, the front desk of a small business. Start with `deskbell demo`, then `deskbell serve`."""
    import msgspec

    from deskbell import settings

    try:
        loaded = settings.load()
        "".join(map(str, msgspec.structs.astuple(loaded))).encode()
    except UnicodeEncodeError:
        if ctx.meta[HELP]:
            return
        raise click.ClickException("The value of a DESKBELL_ variable is not valid UTF-8.") from None
    except SystemExit:
        if not ctx.meta[HELP]:
            raise
        return
    ctx.obj = msgspec.structs.replace(loaded, database=database) if database else loaded


def main() -> None:
    """The entry point of `deskbell`."""
    cli(prog_name="deskbell")
