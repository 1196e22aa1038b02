"""The demo's reviews with their mean rating, from -4 to 4, as a score: the demo's rows, in the demo's splits."""

import numpy as np

from teacher_export.data.dataset import Dataset, dataset_of
from teacher_export.data.demo import load_demo_reviews
from teacher_export.data.splitting import draw_all
from teacher_export.data.streaming import LabelledRows
from teacher_export.data.task_rows import say_summary
from teacher_export.options.data import DataConfig

SCORE_NAME = "rating"


def load_demo_ratings(config: DataConfig) -> Dataset:
    """Return the rows that the demo keeps, and say what they are.

    Args:
        config: how they are split.

    Raises:
        DownloadError: the files could not be fetched.
    """
    reviews = load_demo_reviews()
    kept = reviews.classes >= 0
    source = LabelledRows((SCORE_NAME,), np.where(kept, 0, -1).astype(np.int16), kept, reviews.dropped)
    drawn = draw_all(config, source)
    texts = [reviews.texts[row] for row in drawn.rows.tolist()]
    dataset, source = dataset_of(config, source, drawn, texts, reviews.ratings[drawn.rows].astype(np.float32), None)
    say_summary(dataset, source)
    return dataset
