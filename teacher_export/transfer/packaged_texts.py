"""Texts for the transfer set that a word names and a package index holds."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator

from teacher_export.data.demo import FILES, REVIEW_FILES, load_unlabelled_demo_texts
from teacher_export.data.film_reviews import load_film_review_sentences
from teacher_export.options.data import DatasetName
from teacher_export.options.transfer_set import DEMO_TEXTS, FILM_REVIEWS


@dataclasses.dataclass(frozen=True)
class PackagedTexts:
    """A source of texts with a word for its name.

    Attributes:
        name: the word.
        described: what it is to the user.
        load: gives the texts; their files are checked against known hashes when they are fetched.
    """

    name: str
    described: str
    load: Callable[[], Iterable[str]]
    columns: tuple[str, ...] = ()

    def fingerprint(self) -> str:
        """Return the word, which stands for known bytes."""
        return self.name

    def texts(self) -> Iterator[str]:
        """Yield the texts.

        Raises:
            DownloadError: they could not be fetched.
        """
        yield from self.load()


def packaged_texts(word: str, dataset: DatasetName) -> PackagedTexts | None:
    """Return the texts that a word names beside a data set, None where it names none."""
    if word == DEMO_TEXTS:
        labelled = FILES.get(dataset, REVIEW_FILES)
        described = "the demo's editorials and tweets" if labelled == REVIEW_FILES else "the demo's other texts"
        return PackagedTexts(word, described, lambda: load_unlabelled_demo_texts(labelled))
    if word == FILM_REVIEWS:
        return PackagedTexts(word, "sentences of film reviews", load_film_review_sentences)
    return None
