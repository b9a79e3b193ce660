"""The ``texup`` command: commands are imported when they are called, so that ``--help`` stays instant."""

from __future__ import annotations

import gc
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
    "watch": "watch",
    "inspect": "inspect",
    "merge": "merge",
    "verify": "verify",
    "check": "check",
    "gallery": "gallery",
    "compare": "compare",
    "interpolate": "interpolate",
    "models": "models",
    "evaluate": "evaluate",
    "finetune": "finetune",
    "train": "train",
    "doctor": "usage.doctor",
    "completion": "usage.completion",
}

LONGEST = 300  # characters of an unforeseen error; libraries write whole pages
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
@click.option(
    "--no-config",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=lambda _ctx, _param, is_set: _forget_defaults() if is_set else None,
    help="Take no defaults from your file or the environment.",
)
@click.option("--debug", is_flag=True, expose_value=False, help="Show the full traceback of an error.")
def main() -> None:
    """Upscale game texture packs.

    \b
    Example:
      texup upscale ./n64_textures --scale 4
    """


def _forget_defaults() -> None:
    from texup.cli.usage.settings import forget_defaults

    forget_defaults()


class Stopped(BaseException):
    """A signal asked the process to end."""


class Stop:
    """What signals do: the first unwinds the run in good order, the second ends the process at once."""

    def __init__(self) -> None:
        """Begin with no signal heard."""
        self.number = 0
        self.is_over = False
        """Nothing is left to unwind."""

    def listen(self) -> None:
        """Take over the signals, except those that are ignored: by ``nohup``, or by a shell for its background."""
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self.hear)

    def hear(self, number: int, _frame: FrameType | None) -> None:
        """Handle a signal."""
        if self.number or self.is_over:
            os._exit(128 + number)
        self.number = number
        sys.unraisablehook = lambda _: None  # what the exception leaves half-made may complain when it goes
        raise Stopped


def run() -> None:
    """Run the command line and exit with the code that the errors own."""
    stop, code = Stop(), int(ExitCode.FAILED)
    try:
        _prepare_streams()
        stop.listen()
        code = _code_of_command(stop)
        stop.is_over = True
    except BaseException:
        if not stop.number:
            raise
    if stop.number:
        gc.collect()  # a generator that the signal caught outside of itself has files to finish and folders to remove
        report("texup: stopped; what is finished stays, and the same command goes on from there")
        os._exit(128 + stop.number)  # Python would wait for the nets, which may have a minute's work before them
    sys.exit(code)


def _prepare_streams() -> None:
    """Make the standard streams safe to print any name to, and their numbers safe from other files.

    A library's warning goes to file 2 whatever it is: with standard error closed, that could be a texture.
    """
    while (file := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(file)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _code_of_command(stop: Stop) -> int:
    """Run the command, tell of its error, and return the exit code."""
    try:
        code = main.main(standalone_mode=False, complete_var="_TEXUP_COMPLETE")
    except click.ClickException as error:
        if isinstance(error, click.exceptions.NoArgsIsHelpError):
            click.echo(error.format_message(), err=True)
        else:
            from texup.cli.usage.refusals import refusal_of

            report_error(refusal_of(error))
        return ExitCode.USAGE
    except click.Abort:
        return ExitCode.SIGINT
    except Exception as error:
        # --debug is looked for in the words themselves: click's context is gone here
        if stop.number or "--debug" in sys.argv[1:]:  # libraries may make an error of their own of the signal's
            raise
        report_error(_told(error))
        return error.exit_code if isinstance(error, TexupError) else ExitCode.FAILED
    return code if isinstance(code, int) else ExitCode.OK


def _told(error: Exception) -> str:
    """Return one line about an error, also about one that nobody foresaw."""
    if isinstance(error, TexupError):
        return str(error)
    if isinstance(error, MemoryError):
        return "not enough memory; close programs, or use smaller --tile and --jobs"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    text = " ".join(str(error).split())[:LONGEST]
    return f"unexpected {type(error).__name__}: {text}; `texup --debug` with the same command shows where"
