"""`python -m toolbox` opens the window."""

import sys

from toolbox.application import main

if __name__ == "__main__":
    sys.exit(main())
