"""`python -m veilocity.cli`: what the launcher starts, so that a service always runs on the launcher's own interpreter."""

from veilocity.cli import main

main()
