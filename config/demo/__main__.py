"""`python -m config.demo`: the whole of Carillon on this machine, until Ctrl-C."""

import argparse
import sys

from config.demo.supervisor import main

SETTINGS = """\
settings, from the environment:
  BIND            where it listens, on this machine only (127.0.0.1:8000)
  DEMO_MAIL_PORT  where its mail server listens (2525)
  CARILLON_VAR    where it keeps its data (var/demo)
  DATABASE_URL, BROKER_URL  servers of your own in place of the embedded ones
"""

if __name__ == "__main__":
    argparse.ArgumentParser(
        prog="python -m config.demo",
        description=__doc__,
        epilog=SETTINGS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    sys.exit(main())
