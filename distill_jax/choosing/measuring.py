"""From run folders and packed files to their numbers, and to what to ship."""

import dataclasses
import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from distill_jax.baselines.of_export import baselines_of
from distill_jax.baselines.tfidf import NAMES, Baseline
from distill_jax.choosing.candidate import Candidate, Cost, Kind
from distill_jax.choosing.choice import Choice
from distill_jax.choosing.int8_teacher import int8_teacher
from distill_jax.choosing.own_process import in_own_process
from distill_jax.choosing.recommendation import Limits, pareto_front, recommended
from distill_jax.choosing.timing import latencies, texts_per_second
from distill_jax.console import warn
from distill_jax.data.exports import Export
from distill_jax.data.tokenizer import FastTokenizer
from distill_jax.errors import InputError
from distill_jax.files import read_json
from distill_jax.formats.registry import load
from distill_jax.metrics.resampling import percentile_interval, resampled
from distill_jax.packed.student import read_packed
from distill_jax.packing.pack import POINTS, pack
from distill_jax.repeats import first_repeated
from distill_jax.tasks.task import Task

_MOST_TIMED = 2_048
_TEACHER, _IN_INT8 = "Teacher", "Teacher, int8"
_TAKEN = (_TEACHER, _IN_INT8, *NAMES)  # names that no student may have


@dataclasses.dataclass(frozen=True)
class _Judge:
    """The test rows, and the score that they give."""

    task: Task
    labels: np.ndarray
    texts: list[str]
    known: np.ndarray

    @classmethod
    def of(cls, task: Task, export: Export, tokenizer: FastTokenizer) -> "_Judge":
        test = export.test
        labels = task.references(test.labels, test.teacher_logits)
        return cls(task, labels, tokenizer.decode(test.tokens, export.manifest.pad_id), task.is_labelled(labels))

    def candidate(self, name: str, kind: Kind, logits: np.ndarray, cost: Cost) -> Candidate:
        """Return a candidate of these logits, [test rows, classes].

        Raises:
            InputError: the test rows do not define its score.
        """
        metric, labels, logits = self.task.metrics[0], self.labels[self.known], logits[self.known]
        score = metric.of(labels, logits)
        if not math.isfinite(score):
            raise InputError(
                f"{name}: expected a {metric.title} to choose by, and its {len(labels):,} labelled test rows define "
                "none (one row, or equal numbers alone); export more test rows"
            )
        draws = resampled([metric.resampler(labels, logits)], len(labels))[:, 0]
        return Candidate(name, kind, percentile_interval(score, draws), draws, cost)

    @property
    def timed(self) -> list[str]:
        """The texts that answers are timed with."""
        return self.texts[:_MOST_TIMED]


def choose(
    paths: Sequence[Path],
    export: Export,
    limits: Limits,
    on_step: Callable[[str], None] = lambda _: None,
    *,
    teacher: Path | None = None,
) -> Choice:
    """Measure students, baselines and the teacher on an export's test texts, and say which student to ship.

    Args:
        paths: run folders, which are packed as ``pack`` does it without a limit, and packed files.
        export: the export that they were trained on.
        limits: what may be shipped.
        on_step: is told what is being done, and what cannot be.
        teacher: the fine-tuned teacher's folder, to be measured in int8, too; None = it is left out.

    Raises:
        InputError: a student is another export's, or cannot be packed, or would have another candidate's name.
    """
    names = _names(paths)
    tokenizer = FastTokenizer(export.load_tokenizer(), export.manifest.max_length)
    candidates: list[Candidate] = []
    judge: _Judge | None = None
    with tempfile.TemporaryDirectory() as folder:
        for name, path in zip(names, paths, strict=True):
            packed = path
            if path.is_dir():
                on_step(f"packing {path} …")
                packed = Path(folder) / f"{len(candidates)}.djx"
                _write_packed(path, export.folder, packed)
            else:
                _require_of(export, path)
            on_step(f"measuring {name} …")
            model = load(packed)
            if model.label_names != export.label_names:
                raise InputError(
                    f"{path}: its classes are not those of export {export.folder}; name its own (--export)"
                )
            judge = _Judge.of(model.task.undecided(), export, tokenizer) if judge is None else judge
            judged = dataclasses.replace(judge, task=model.task)
            cost = Cost(packed.stat().st_size, **in_own_process(packed, judge.timed))
            candidates.append(judged.candidate(name, "student", model.logits(judge.texts), cost))
    assert judge is not None
    on_step("training the baselines …")
    candidates += _baselines(judge, export, tokenizer)
    candidates += _teacher(judge, export)
    if teacher is not None:
        on_step("measuring the teacher in int8, by ONNX Runtime …")
        try:
            in_int8 = int8_teacher(teacher, export, judge.texts, _MOST_TIMED)
        except InputError as error:
            on_step(f"the teacher in int8 is left out: {error}")
        else:
            candidates.append(judge.candidate(_IN_INT8, "teacher", in_int8.logits, in_int8.cost))
    metric = judge.task.metrics[0]
    sign = 1 if metric.larger_is_better else -1
    front = tuple(pareto_front(candidates, sign))
    found = recommended(candidates, limits, sign)
    data = export.manifest.config.get("data_fingerprint")
    return Choice(metric.title, int(judge.known.sum()), data, limits, tuple(candidates), front, found)


def _write_packed(run: Path, export: Path, output: Path) -> None:
    """Pack a run; a warning says where that costs more than it should, for the score is the packed student's."""
    found = pack(run, export)
    lossy = found.too_lossy(POINTS)
    if lossy is not None:
        warn(f"warning: {run}: {lossy.clear_fall} by packing, and its score here is the packed student's")
    elif unmet := found.unmet(POINTS):
        warn(f"warning: {run}: {unmet}")
    found.student.write(output)


def _require_of(export: Export, path: Path) -> None:
    """Refuse a packed student of other data, whose training rows may be this export's test rows."""
    run = read_packed(path).facts.get("run")
    seen = run.get("export") if isinstance(run, dict) else None
    if not isinstance(seen, dict) or "fingerprint" not in seen:  # it was packed without an export, or elsewhere
        return
    data = export.manifest.config.get("data_fingerprint")
    is_same_data = data is not None and seen.get("data_fingerprint") == data
    if seen["fingerprint"] != export.manifest.fingerprint and not is_same_data:
        raise InputError(
            f"{path}: it was trained on another export ({seen.get('name')}), so that test rows of {export.folder} may "
            "be rows that it learned from; name its own (--export)"
        )


def _names(paths: Sequence[Path]) -> list[str]:
    """Return what to call the students: their files' names, with folders where these are alike or not a student's."""
    names = [path.absolute().name for path in paths]
    if first_repeated([*_TAKEN, *names]) is not None:
        names = [str(path) for path in paths]
    again = first_repeated([*_TAKEN, *names])
    if again in _TAKEN:
        raise InputError(f"{again}: the teacher or a baseline is called so; rename it, or name it by its whole path")
    if again is not None:
        raise InputError(f"{again}: expected different students, got it twice; name each once")
    return names


def _baselines(judge: _Judge, export: Export, tokenizer: FastTokenizer) -> list[Candidate]:
    trained = baselines_of(export, judge.task, tokenizer)
    return [judge.candidate(each.name, "baseline", each.logits(judge.texts), _cost_of(each, judge)) for each in trained]


def _cost_of(baseline: Baseline, judge: _Judge) -> Cost:
    p50, p99 = latencies(baseline.logits, judge.timed)
    return Cost(baseline.bytes, p50, p99, texts_per_second(baseline.logits, judge.timed))


def _teacher(judge: _Judge, export: Export) -> list[Candidate]:
    logits, about = export.test.teacher_logits, export.manifest.teacher
    if logits is None:
        return []
    size, timing = about.get("bytes"), export.folder / "timing.json"
    speed = read_json(timing, "timing").get("teacher_documents_per_second") if timing.is_file() else None
    cost = Cost(
        size if isinstance(size, int) else None, texts_per_second=speed if isinstance(speed, float | int) else None
    )
    return [judge.candidate(_TEACHER, "teacher", logits, cost)]
