"""`python -m routeguide`: the same as the console script."""

from routeguide.cli import main

main(prog_name="routeguide")
