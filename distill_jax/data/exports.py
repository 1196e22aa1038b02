"""An export folder as a Python object: what its manifest says, and its splits when they are asked for."""

from functools import cached_property
from pathlib import Path

from tokenizers import Tokenizer

from distill_jax.data.examples import Examples, read_examples
from distill_jax.data.tokenizer import require_ids_below, require_plausible_vocabulary, tokenizer_of
from distill_jax.data.tokenizer_file import read_tokenizer_file
from distill_jax.errors import MissingInputError
from distill_jax.export.format import MANIFEST, TOKEN_EMBEDDINGS, TOKENIZER, Manifest, read_manifest, require_whole
from distill_jax.export.reader import require_vocabulary
from distill_jax.storage.mirror import local_copy


class Export:
    """An export folder.

    Attributes:
        folder: where it is.
        manifest: its manifest.
        tokenizer: the content of its ``tokenizer.json``. Like the manifest it is read once, so that a folder which
            another export takes meanwhile is never taken for this one.

    Example:
        >>> import distill_jax as dj
        >>> export = dj.Export.open("exports/demo")
        >>> len(export.label_names) == export.manifest.num_labels
        True
        >>> len(export.train) == export.manifest.examples("train")
        True
    """

    def __init__(self, folder: Path, manifest: Manifest, tokenizer: bytes) -> None:
        self.folder, self.manifest, self.tokenizer = folder, manifest, tokenizer

    @classmethod
    def open(cls, folder: str | Path) -> "Export":
        """Read the manifest and the tokenizer, and nothing else yet; what lies at an address is fetched.

        Raises:
            MissingInputError: no such folder, or no finished export in it.
            ExportFormatError: its manifest breaks a rule, or it or the tokenizer is not the file that was written.
        """
        folder = local_copy(Path(folder))
        manifest = read_manifest(folder)
        if not (folder / TOKENIZER).is_file():
            raise MissingInputError(f"export folder {folder}: it has no {TOKENIZER}; export again")
        tokenizer = read_tokenizer_file(folder / TOKENIZER)
        require_whole(folder, TOKENIZER, manifest)
        return cls(folder, manifest, tokenizer)

    @property
    def label_names(self) -> tuple[str, ...]:
        """The classes, in class order."""
        return tuple(self.manifest.label_names)

    def load_tokenizer(self) -> Tokenizer:
        """Load the tokenizer, which truncates to the manifest's ``max_length``.

        Raises:
            InputError: it is damaged, or knows more tokens than the vocabulary has: it is another export's.
        """
        path = self.folder / TOKENIZER
        tokenizer = tokenizer_of(self.tokenizer, path, self.manifest.max_length)
        require_ids_below(self.manifest.vocab_size, tokenizer, path, MANIFEST)
        require_vocabulary(self.folder, self.manifest)
        if not (self.folder / TOKEN_EMBEDDINGS).is_file():  # whose rows there would be to count
            where = f"export folder {self.folder}: vocab_size ({MANIFEST})"
            require_plausible_vocabulary(self.manifest.vocab_size, tokenizer, where)
        return tokenizer

    @cached_property
    def train(self) -> Examples:
        """The training rows, with their hints."""
        return self.split("train", hints=True)

    @cached_property
    def test(self) -> Examples:
        """The test rows."""
        return self.split("test")

    @cached_property
    def validation(self) -> Examples | None:
        """The validation rows; None where the export has none."""
        return self.split("validation") if "validation" in self.manifest.splits else None

    @cached_property
    def transfer(self) -> Examples | None:
        """The rows that the teacher alone has labelled, with their hints; None where the export has none."""
        return self.split("transfer", hints=True) if "transfer" in self.manifest.splits else None

    def split(self, name: str, *, hints: bool = False) -> Examples:
        """Read a split, with its hints where there are some, which are the most of its bytes, or without.

        Raises:
            InputError: the export has no such split, or a part of it is damaged.
        """
        return read_examples(self.folder, self.manifest, name, hints=hints)
