"""Changes of tables of separated fields, and of lines of words."""

from pathlib import Path

from scripts.fuzz.mutations.values import FLOATS, HOSTILE_TEXTS, NUMBERS, Draw

_DELIMITERS = ",;\t"
_MARKS = ("__label__", "__label__x", "__label__x __label__y", "__label__\u2028", "x__label__y", "__label__NA")


def change_cells(path: Path, draw: Draw) -> str:
    """Change a cell, a quotation mark, a column's name or the shape of a delimited table."""
    lines = path.read_text(errors="surrogateescape").splitlines()
    delimiter = max(_DELIMITERS, key=lines[0].count)
    rows = [line.split(delimiter) for line in lines]
    row = 0 if draw.random() < 0.25 else draw.randrange(len(rows))
    column = draw.randrange(len(rows[row]))
    kind = draw.choice(("cell", "cell", "cell", "more", "fewer", "quote", "twice", "delimiter", "label"))
    if kind == "cell":
        rows[row][column] = draw.choice(HOSTILE_TEXTS)
    elif kind == "more":
        rows[row].insert(column, "further")
    elif kind == "fewer":
        del rows[row][column]
    elif kind == "quote":
        rows[row][column] = '"' + rows[row][column]
    elif kind == "twice":
        rows[row:row] = [rows[row]] * draw.choice((1, 500))
    elif kind == "label":
        rows[row][column] = str(draw.choice((*NUMBERS[:12], *FLOATS, "1.0", "1.5", "True", " 1", "\u0661")))
    joined = draw.choice((";", "|", "\0")) if kind == "delimiter" else delimiter
    end = draw.choice(("\n", "\n", "\r\n", "\r"))
    text = end.join(joined.join(cells) for cells in rows) + end
    path.write_bytes(text.encode(errors="surrogatepass" if "\ud800" in text else "surrogateescape"))
    return f"row {row}: {kind}"


def change_words(path: Path, draw: Draw) -> str:
    """Replace a word of a line, or give it another number of words."""
    lines = path.read_text(errors="surrogateescape").split("\n")
    index = draw.randrange(len(lines))
    words = lines[index].split(" ")
    place = draw.randrange(len(words))
    kind = draw.choice(("word", "word", "fewer", "more", "repeat"))
    if kind == "word":
        words[place] = draw.choice((*HOSTILE_TEXTS, *map(str, FLOATS), *_MARKS, "1_0", "\u0661"))
    elif kind == "fewer":
        del words[place]
    elif kind == "more":
        words.insert(place, "1")
    lines[index] = " ".join(words)
    if kind == "repeat":
        lines[index:index] = [lines[index]] * 300
    text = "\n".join(lines)
    path.write_bytes(text.encode(errors="surrogatepass" if "\ud800" in text else "surrogateescape"))
    return f"line {index + 1}: {kind}"
