"""``python -m texup``."""

from texup.cli.main import run

run()
