"""``python -m client``."""

import sys

if __name__ == "__main__":
    try:
        from client.cli import main

        main()
    except KeyboardInterrupt:  # while it still loads, or already ends
        sys.exit(130)
