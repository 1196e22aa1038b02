"""Data sets whose columns are known: each is a table's options under a name.

What else is special about each of them, the readers of tables do anyway: stars written as 5.0, labels of -1 in a test
file that nobody may score on, texts without a title.
"""

import dataclasses

from distill_jax.console import say
from distill_jax.errors import InputError
from distill_jax.tables.dialect_options import DialectConfig
from distill_jax.tables.formats import format_of
from distill_jax.tables.label_lines import LABEL, TEXT
from distill_jax.tables.reading import column_names
from distill_jax.tables.sources import require_data_file
from distill_jax.tasks import MULTI_LABEL_NAME
from teacher_export.config import ExportConfig
from teacher_export.options.data import DataConfig, DatasetName


@dataclasses.dataclass(frozen=True)
class Form:
    """Where a file of a data set has what.

    Attributes:
        label: the label's column.
        texts: the text's columns, joined by a blank line.
        dialect: how the file is written, where it is CSV or TSV.
        label_separator: what divides the labels of a cell, under ``--task multi-label``.
    """

    label: str
    texts: tuple[str, ...]
    dialect: DialectConfig = dataclasses.field(default_factory=DialectConfig)
    label_separator: str | None = None


_ZHANG = DialectConfig(no_header=True, escaped_line_feeds=True)

PRESETS: dict[DatasetName, tuple[Form, ...]] = {
    "amazon-2023": (Form("rating", ("title", "text")),),  # Hou et al. 2024: JSON lines, five stars in two rows of three
    "mteb-amazon": (Form("label", ("text",)),),  # 0 to 4
    "yelp-full": (
        Form("label", ("text",)),
        Form("1", ("2",), _ZHANG),
    ),  # 0 to 4 on the hub; 1 to 5 in Zhang et al.'s CSV
    "sst2": (Form("label", ("sentence",)), Form("label", ("text",))),  # GLUE's, whose test labels are -1; SetFit's
    "sst5": (Form("label", ("text",)), Form("label", ("sentence",))),
    "app-reviews": (Form("star", ("review",)),),  # one file: a part of it tests
    "fasttext": (Form(LABEL, (TEXT,), label_separator=" "),),
}
"""By name, the forms that its files are found in; the first whose columns a file has is taken."""


def spelt_out(config: ExportConfig) -> ExportConfig:
    """Return the options of the table that a preset stands for; those that were given stay.

    Raises:
        InputError: the first file is not there, or cannot be read.
    """
    data = config.data
    if data.dataset not in PRESETS:
        return config
    form = _form_of(data)
    separator = form.label_separator if data.task == MULTI_LABEL_NAME and not data.label_columns else None
    table = dataclasses.replace(
        data,
        dataset="table",
        text_column=data.text_column or form.texts,
        label_column=data.label_column or (None if data.label_columns else form.label),
        label_separator=data.label_separator if separator is None else separator,
        dialect=data.dialect if data.dialect.given() else form.dialect,
    )
    say(f"{data.dataset}: text from {' and '.join(table.text_column)}, labels from {table.label_column}")
    output = dataclasses.replace(config.output, output=config.export_folder)
    return dataclasses.replace(config, data=table, output=output)


def _form_of(data: DataConfig) -> Form:
    option, path = data.named_files[0]
    require_data_file(path, option)
    forms = PRESETS[data.dataset]
    for form in forms:
        dialect = data.dialect if data.dialect.given() else form.dialect
        try:
            found = column_names(path, format_of(path, dialect, (form.label, *form.texts)))
        except InputError:  # said when the file is read
            continue
        if {form.label, *form.texts} <= set(found):
            return form
    return forms[0]
