"""``texup models`` and the commands in it."""

from texup.cli.models.adding import add
from texup.cli.models.converting import convert
from texup.cli.models.group import models

models.add_command(add)
models.add_command(convert)
