"""Flip one random bit of a folder's files after another, and see what is answered."""

import collections
import random

from distill_jax.errors import InputError


def flip_bits(folder, answer, flips, seed=0, files=None):
    """Return how many flips were refused and how many left the answer as it was; fail where it is another.

    Args:
        folder: the folder; every file is as it was in the end.
        answer: called after each flip; returns something that can be compared, or raises.
        flips: how many.
        seed: draws them.
        files: of these files alone.
    """
    files = files or sorted(path for path in folder.rglob("*") if path.is_file())
    sizes = [path.stat().st_size for path in files]
    draw, outcomes, expected = random.Random(seed), collections.Counter(), answer()
    for _ in range(flips):
        path = draw.choices(files, sizes)[0] if draw.random() < 0.5 else draw.choice(files)
        content = path.read_bytes()
        if not content:
            continue
        place, bit = draw.randrange(len(content)), draw.randrange(8)
        damaged = bytearray(content)
        damaged[place] ^= 1 << bit
        path.write_bytes(damaged)
        try:
            found = answer()
        except InputError:
            outcomes["refused"] += 1
        else:
            assert found == expected, f"{path}: byte {place}, bit {bit}: another answer, without a word"
            outcomes["unchanged"] += 1
        finally:
            path.write_bytes(content)
    return outcomes
