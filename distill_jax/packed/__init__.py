"""The packed file: a student with all that answering needs, in one file of a fraction of a megabyte.

``docs/packed-format.md`` describes it byte by byte. NumPy and the standard library read it.
"""
