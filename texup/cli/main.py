"""The ``texup`` command: commands are imported when they are called, so that ``--help`` stays instant."""

from __future__ import annotations

import importlib
import io
import os
import signal
import sys
from types import FrameType

import click

from texup import __version__
from texup.cli.console import report, report_error
from texup.errors import ExitCode, TexupError

# Command -> module of this package that defines a click command of the same name, in the order of the help.
COMMANDS = {
    "upscale": "upscale",
    "inspect": "inspect",
    "verify": "verify",
    "check": "check",
    "interpolate": "interpolate",
    "models": "models",
    "evaluate": "evaluate",
    "finetune": "finetune",
    "train": "train",
}

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class LazyGroup(click.Group):
    """A group that imports a command only when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command, or None when there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"texup.cli.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="texup")
@click.option("--debug", is_flag=True, help="Show the full traceback of an error.")
@click.pass_context
def main(ctx: click.Context, debug: bool) -> None:
    """Upscale game texture packs.

    \b
    Example:
      texup upscale ./n64_textures --scale 4
    """
    ctx.obj = {"debug": debug}


class Stopped(BaseException):
    """A signal asked the process to end."""

    def __init__(self, number: int) -> None:
        """Remember the signal's number."""
        super().__init__(number)
        self.code = 128 + number


def stop(number: int, _frame: FrameType | None) -> None:
    """Unwind in good order at the first signal; the second ends the process at once."""
    for each in SIGNALS:
        signal.signal(each, lambda again, _frame: os._exit(128 + again))
    raise Stopped(number)


def run() -> None:
    """Run the command line and exit with the code that the errors own."""
    for number in SIGNALS:
        signal.signal(number, stop)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that the terminal cannot show must not end the run
    try:
        code = main.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = ExitCode.USAGE
    except click.Abort:
        code = ExitCode.SIGINT
    except Stopped as stopped:
        report("texup: stopped; what is finished stays, and the same command goes on from there")
        code = stopped.code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains again while it exits
        code = ExitCode.FAILED
    except TexupError as error:
        if "--debug" in sys.argv[1:]:
            raise
        report_error(str(error))
        code = error.exit_code
    sys.exit(int(code) if isinstance(code, int) else 0)
