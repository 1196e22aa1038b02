"""``python -m two_files ordered`` or ``unordered``: a command that writes two files, and is done where the second is.

Unordered, it writes the second first; a kill between the two then leaves a folder that is taken for done.
"""

import sys
from pathlib import Path

from distill_jax.files import atomic_write, remove_temporaries
from distill_jax.locks import exclusive


def main(order):
    names = ["numbers.txt", "done.txt"]
    with exclusive(Path("out"), "folder"):
        remove_temporaries(Path("out"))
        if Path("out/done.txt").exists():
            return
        for name in names if order == "ordered" else reversed(names):
            with atomic_write(Path("out", name)) as stream:
                stream.write(b"whole\n")


if __name__ == "__main__":
    main(sys.argv[1])
