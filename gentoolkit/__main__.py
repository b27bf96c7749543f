"""`python -m gentoolkit` is `gentool`."""

from gentoolkit.cli import main

main()
