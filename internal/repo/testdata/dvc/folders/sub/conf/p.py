"""Settings."""
import os

RATE: float = 1e-2  # a comment
NAMES = ["a", "b"]
HOME = os.environ["HOME"]


class Net:
    depth = 4

    def __init__(self):
        self.width = (8, 16)
