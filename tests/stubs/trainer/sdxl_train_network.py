"""The same for SDXL."""

import sys

from train_network import main

if __name__ == "__main__":
    sys.exit(main("sdxl"))
