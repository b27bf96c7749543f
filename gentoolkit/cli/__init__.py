"""`gentool`: one small file per command, imported when it is asked for.

The user's mistakes end as one message and exit code 2, never as a traceback; ours as a message and exit code 1.
"""

from __future__ import annotations

import contextlib
import errno
import keyword
import os
import sys
from importlib import import_module

import click

from gentoolkit.engine.processes import launched

COMMANDS = {
    "train": "Train a recipe.",
    "sample": "Draw samples from a run.",
    "edit": "Paint, fill in or go between samples with a run.",
    "evaluate": "Measure a run.",
    "runs": "List runs, compare them, or draw what they cost and give.",
    "export": "Write a run's model into a folder to be given away.",
    "average": "Combine a run's snapshots into an average of another width.",
    "import": "Make a run folder of released weights.",
    "slurm": "Write the job file of a training under Slurm.",
    "replay": "Take one step of a run again, and say what in it is not finite.",
    "ckpt": "List, verify or prune a run's checkpoints.",
    "check": "Say whether a recipe's parts fit, without starting anything.",
    "data": "Pack images for quick reading, or look a source over.",
    "classifier": "Train the classifier that counts modes.",
    "components": "List what a recipe may name.",
    "explain": "Show a component's options.",
    "plugins": "List installed plugins and how they fare.",
    "oracle": "What exact and Gaussian denoising steps can do on 25 Gaussians.",
    "doctor": "Show what this machine offers and what is missing.",
}


class Lazy(click.Group):
    """A group that knows its commands' names and summaries, and imports a command when it is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order of the work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name
        command: click.Command = import_module(f"gentoolkit.cli.{module}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of `gentool --help`, without importing any command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is meant, or an error with the nearest names."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, 1)
            ctx.fail(f"no command '{args[0]}'" + (f"; did you mean '{near[0]}'?" if near else ""))
        return super().resolve_command(ctx, args)


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.version_option(package_name="gentoolkit", prog_name="gentool")
def gentool(debug: bool) -> None:
    """Train, sample and compare generative models built from interchangeable parts."""


def main() -> None:
    """The entry point: run a command, and turn every error into a message and an exit code."""
    launched.begin()
    final = True
    try:
        code = gentool(prog_name="gentool", standalone_mode=False)
    except click.exceptions.Abort:
        code = 130
    except click.ClickException as error:
        error.show()
        code = 2
    except BrokenPipeError:
        code = 0
        sys.stderr.close()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = 130
    except Exception as error:
        code = 2
        if "--debug" in sys.argv:
            raise
        with contextlib.suppress(BrokenPipeError):
            final = not launched.lost_another(error)
            code = report(error)
            sys.stderr.flush()
    sys.exit(launched.ended(code if isinstance(code, int) else 0, final))


def report(error: Exception) -> int:
    """Say an error; its exit code."""
    from gentoolkit.registry import GentoolError

    if isinstance(error, GentoolError):
        text = str(error)
        rank = os.environ.get("RANK", "0")
        who = "" if rank == "0" or launched.REPORTS in os.environ else f"[process {rank}] "
        if not launched.said(text):
            print(who + (text if text.startswith("error:") else f"error: {text}"), file=sys.stderr)
        return getattr(error, "exit_code", 2)
    if launched.lost_another(error):
        if launched.REPORTS not in os.environ:  # the launcher says it
            print(
                "error: another process of this run is gone; checkpoints are intact, and the same command goes on",
                file=sys.stderr,
            )
        return 1
    if "DataLoader worker (pid" in str(error):  # torch raises it anywhere in the process, from a signal handler
        print(
            "error: a data worker was killed, most often because memory ran out, /dev/shm's among it; checkpoints are intact. "
            "Take fewer training.workers or a smaller batch, and run the same command again",
            file=sys.stderr,
        )
        return 1
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        print(f"error: {error.filename or 'a file'} cannot be written: {error.strerror}", file=sys.stderr)
        return 2
    where = f"{type(error).__module__}.{type(error).__name__}".removeprefix("builtins.")
    print(
        f"internal error: {where}: {error}\nThis is a fault of gentoolkit or of a plugin, not yours; "
        "run the command again as `gentool --debug ...` for the traceback.",
        file=sys.stderr,
    )
    return 1
