"""`python -m senderkit`: the same as the `senderkit` command."""

from senderkit.cli import main

main(prog_name="senderkit")
