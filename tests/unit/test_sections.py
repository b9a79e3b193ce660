"""texup.cli.usage.sections: every option is in one group of the help, and those that matter come first."""

from __future__ import annotations

import re
from collections import Counter

import click
import pytest

from texup.cli.main import main
from texup.cli.usage.sections import Sectioned, long_name

from .test_structure import commands

MANY = 10  # options, from which a help needs groups
TEN = "--output --scale --model --blend --method --format --include --exclude --device --dry-run"


def all_commands() -> dict[str, click.Command]:
    return {words: command for words, command in commands(main) if not isinstance(command, click.Group)}


def options_of(command: click.Command) -> list[str]:
    params = command.get_params(click.Context(command))
    return [long_name(param) for param in params if isinstance(param, click.Option)]


def has_groups(command: click.Command) -> bool:
    return isinstance(command, Sectioned) and bool(command.sections)


@pytest.mark.parametrize(("words", "command"), all_commands().items())
def test_every_option_is_in_exactly_one_group(words, command):
    options = options_of(command)
    assert has_groups(command) or len(options) <= MANY, f"{words}: many options and no groups"
    if has_groups(command):
        counts = Counter(name for names in command.sections.values() for name in names)
        assert not [name for name, count in counts.items() if count > 1]
        assert not [name for name in options if name not in counts], f"{words}: in no group of sections.py"
        groups = command.get_help(click.Context(command)).partition("\nMost used:\n")[2]
        shown = re.findall(r"^  (?:-\w, )?--([\w-]+)", groups, re.MULTILINE)
        assert sorted(shown) == sorted(options)


def test_every_group_is_of_options_that_there_are():
    tables = {}
    for command in all_commands().values():
        if has_groups(command):
            tables.setdefault(id(command.sections), (command.sections, set()))[1].update(options_of(command))
    for table, options in tables.values():
        assert {name for names in table.values() for name in names} == options


def test_the_ten_that_matter_come_first(texup):
    out = texup("upscale", "--help").out
    first = out.partition("\nMost used:\n")[2].partition("\n\n")[0]
    assert re.findall(r"^  (?:-\w, )?(--[\w-]+)", first, re.MULTILINE) == TEN.split()
    assert "Options:" not in out


def test_an_option_in_no_group_is_shown_all_the_same():
    option = click.Option(["--new"], help="Just made.")
    command = Sectioned("made", params=[option], sections={"Most used": ("help",)})
    assert "Others:\n  --new" in command.get_help(click.Context(command))
