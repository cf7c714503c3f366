"""The command line: global options, the settings that every command receives, and expected errors in one line."""

from __future__ import annotations

from typing import Any

import click

from deskbell import __version__
from deskbell.surfaces.cli.commands import COMMANDS, load

HELP = "deskbell.help"  # whether help is asked for, which comes even where settings cannot be read


class Commands(click.Group):
    """The commands of the table; what goes wrong in an expected way ends as one line and status 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return load(cmd_name) if cmd_name in COMMANDS else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

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
    "--database", metavar="URL", help="URL of the database. Default: DESKBELL_DATABASE, or sqlite:///deskbell.db."
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
