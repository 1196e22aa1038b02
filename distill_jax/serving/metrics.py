"""What the service counts, over all its workers, in the text format that Prometheus reads."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from distill_jax.serving.drift import COUNTERS, Drift
from distill_jax.serving.models import Model
from distill_jax.serving.shared_numbers import SharedNumbers

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
ENDPOINTS = ("predict", "explain", "info", "health", "ready", "metrics", "pages", "none")
STATUSES = (200, 400, 404, 405, 408, 413, 415, 422, 429, 499, 500, 503, 505)
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_BLOCKS = {"requests": len(ENDPOINTS) * len(STATUSES), "seconds": len(_SECONDS) + 1, "seconds sum": 1, "under way": 1}
_Samples = Iterable[tuple[str, dict[str, str], float]]


class Metrics:
    """The counters of all workers; it is made before they are forked.

    Args:
        models: the students.
        workers: how many workers there are.
    """

    def __init__(self, models: Sequence[Model], workers: int = 1) -> None:
        self._models = models
        blocks = dict(_BLOCKS)
        for model in models:
            blocks |= model.drift.blocks()
        self._numbers = SharedNumbers(blocks, workers)
        for model in models:
            model.drift.write_to(self._numbers)

    def use_row(self, worker: int) -> None:
        """Count as a worker, from 0; the requests that a dead one left are under way no more."""
        self._numbers.use_row(worker)
        self._numbers.mine("under way")[:] = 0

    def begin(self) -> None:
        """Count a request as under way."""
        self._numbers.add("under way")

    def end(self, endpoint: str, status: int, seconds: float) -> None:
        """Count a request as answered.

        Args:
            endpoint: of ``ENDPOINTS``.
            status: of ``STATUSES``.
            seconds: from its beginning on.
        """
        self._numbers.add("under way", value=-1)
        self._numbers.add("requests", ENDPOINTS.index(endpoint) * len(STATUSES) + STATUSES.index(status))
        if endpoint == "predict" and status == 200:
            self._numbers.add("seconds", bisect_left(_SECONDS, seconds))
            self._numbers.add("seconds sum", value=seconds)

    def flush(self) -> None:
        """Count the texts that wait to be counted."""
        for model in self._models:
            model.drift.flush()

    def text(self) -> str:
        """Return all numbers, over all workers, in Prometheus's text format."""
        self.flush()
        lines: list[str] = []
        for name, kind, words, samples in (*self._of_requests(), *self._of_models()):
            lines += [f"# HELP distill_{name} {words}", f"# TYPE distill_{name} {kind}"]
            lines += [f"distill_{name}{suffix}{_labels(labels)} {value:.12g}" for suffix, labels, value in samples]
        return "\n".join([*lines, ""])

    def _of_requests(self) -> Iterator[tuple[str, str, str, _Samples]]:
        requests = self._numbers.total("requests").reshape(len(ENDPOINTS), len(STATUSES))
        yield (
            "requests_total",
            "counter",
            "Requests answered, by endpoint and status.",
            [
                ("", {"endpoint": endpoint, "status": str(status)}, requests[row, column])
                for row, endpoint in enumerate(ENDPOINTS)
                for column, status in enumerate(STATUSES)
                if requests[row, column]
            ],
        )
        under_way = self._numbers.total("under way")[0]
        yield "requests_under_way", "gauge", "Requests that are being answered.", [("", {}, under_way)]
        below = self._numbers.total("seconds").cumsum()
        bounds = (*map(str, _SECONDS), "+Inf")
        buckets = [("_bucket", {"le": bound}, count) for bound, count in zip(bounds, below, strict=True)]
        ends: _Samples = [("_sum", {}, self._numbers.total("seconds sum")[0]), ("_count", {}, below[-1])]
        yield "predict_seconds", "histogram", "Seconds from a request's headers to its answer.", [*buckets, *ends]

    def _of_models(self) -> Iterator[tuple[str, str, str, _Samples]]:
        drifts = [({"model": model.name}, model.drift) for model in self._models]
        for place, counter in enumerate(COUNTERS):
            words = f"{counter.capitalize().replace('_', ' ')} read."
            yield (
                f"{counter}_total",
                "counter",
                words,
                [("", labels, drift.total("counters")[place]) for labels, drift in drifts],
            )
        yield "predictions_total", "counter", "Texts answered, by class.", self._predictions()
        yield (
            "drift_texts",
            "gauge",
            "Recent texts that drift is measured on; old ones fade.",
            [("", labels, drift.total("recent")[0]) for labels, drift in drifts],
        )
        yield (
            "drift_psi",
            "gauge",
            "Population stability index of recent texts against the validation texts; look from 0.1 on.",
            [sample for labels, drift in drifts for sample in _drift(labels, drift)],
        )

    def _predictions(self) -> _Samples:
        for model in self._models:
            if model.predictor.task.has_classes:
                counts = model.drift.total("labels")
                for label, count in zip(model.predictor.label_names, counts, strict=True):
                    yield "", {"model": model.name, "label": label}, count


def _drift(labels: dict[str, str], drift: Drift) -> _Samples:
    for statistic in drift.references:
        yield "", {**labels, "statistic": statistic}, drift.index(statistic)


def _labels(labels: dict[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    safe = value.encode(errors="replace").decode()
    return safe.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
