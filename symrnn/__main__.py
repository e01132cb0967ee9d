"""`python -m symrnn`: the command line."""

from symrnn.commands.command_line import main

main()
