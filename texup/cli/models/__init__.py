"""``texup models`` and the commands in it."""

from texup.cli.models.converting import convert
from texup.cli.models.group import models

models.add_command(convert)
