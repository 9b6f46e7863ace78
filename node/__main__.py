"""``python -m node``: run one node; see ``process.py``."""

import gc
import sys

if __name__ == "__main__":
    gc.disable()  # until the node runs: in what a start makes there is no garbage, and much to look through
    from node.process import main

    sys.exit(main())
