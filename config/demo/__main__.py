"""`python -m config.demo`: the whole of Carillon on this machine, until Ctrl-C."""

import sys

from config.demo.supervisor import main

if __name__ == "__main__":
    sys.exit(main())
