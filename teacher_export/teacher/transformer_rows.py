"""A transformer's pass over rows: its model, its tokenizer, and what it reads of a text."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from distill_jax.console import progress, warn
from distill_jax.data.ragged import spans
from distill_jax.errors import InputError
from teacher_export.libraries import silence_libraries
from teacher_export.options.teacher import DeviceName, TeacherConfig
from teacher_export.teacher.hardware import resolve_device
from teacher_export.teacher.labeller import Answers, RowLabeller, RowsAsked, TokenStates
from teacher_export.teacher.source import TeacherSource, folder_source, resolve_teacher
from teacher_export.teacher.tokens import encode
from teacher_export.teacher.windows import WindowReader, cut_at, logits_of_windows, mean_of_windows

if TYPE_CHECKING:
    import torch

    from distill_jax.data.ragged import Ragged
    from teacher_export.teacher.hint_map import HintMap
    from teacher_export.teacher.loading import Teacher
    from teacher_export.teacher.logits import Look


class TransformerRows(RowLabeller):
    """A transformer's model in memory, and how it is run.

    Args:
        asked: the options.
        teacher: the model and its tokenizer.
        device: where it runs.
        precision: its arithmetic.
        columns: the teacher's column for each class of the export.
    """

    def __init__(
        self, asked: TeacherConfig, teacher: "Teacher", *, device: Any, precision: str, columns: Sequence[int]
    ) -> None:
        self._asked, self._device, self._precision, self._columns = asked, device, precision, list(columns)
        self._hint_map: HintMap | None = None
        self._take(teacher)

    def _take(self, teacher: "Teacher") -> None:
        self._teacher, asked = teacher, self._asked
        self.tokenizer, self._reader = teacher.tokenizer, None
        if asked.reads_otherwise:
            self.tokenizer = cut_at(teacher.tokenizer, asked.students_length)
        if asked.overlap is not None:
            self._reader = WindowReader.of(teacher.tokenizer, asked.max_length, asked.overlap)

    def place_model(self) -> None:
        """Move the model to its device."""
        self._teacher.model.to(self._device).eval()

    def logits(self, asked: RowsAsked, advance: Callable[[int], object]) -> np.ndarray:
        """Run the model over the rows' tokens, or over their windows."""
        return self.logits_of(self._teacher, asked, advance)

    def logits_of(self, teacher: "Teacher", asked: RowsAsked, advance: Callable[[int], object]) -> np.ndarray:
        """Run another model of the same tokenizer over the rows, as ``logits`` does its own."""
        if not self._asked.reads_otherwise:
            return self._pass(teacher, asked.tokens, asked.where, advance)
        texts = asked.split.texts[asked.rows]
        if self._reader is None:
            return self._pass(teacher, encode(teacher.tokenizer, texts), asked.where, advance)
        tokens, counts, cut = self._reader.read(texts)
        if cut:
            warn(
                f"warning: {asked.where}{cut:,} texts have more than {self._reader.most} windows; the rest is not read"
            )
        where = f"{asked.where}among its windows "
        logits = logits_of_windows(tokens, counts, lambda rows: self._pass(teacher, rows, where, lambda _: None))
        advance(len(counts))
        return mean_of_windows(logits, counts)

    def keep_hints(self, table: np.ndarray, directions: np.ndarray) -> None:
        """Keep hints from now on."""
        from teacher_export.teacher.hint_map import HintMap

        self._hint_map = HintMap(table, directions)

    def answers(self, asked: RowsAsked, advance: Callable[[int], object]) -> Answers:
        """Run the model over the rows' tokens, and keep hints of those that students learn from."""
        hint_map, tokens = self._hint_map, asked.tokens
        if hint_map is None or not asked.are_learnt:
            return Answers(self.logits(asked, advance))
        hints = np.zeros((len(tokens.ids), hint_map.width), np.int8)

        def look(rows: np.ndarray, states: "torch.Tensor") -> None:
            places = spans(tokens.starts[rows], tokens.lengths[rows])
            hints[places] = hint_map(tokens.ids[places], states)

        return Answers(self._pass(self._teacher, tokens, asked.where, advance, look), hints)

    def _pass(
        self,
        teacher: "Teacher",
        tokens: "Ragged",
        where: str,
        advance: Callable[[int], object],
        look: "Look | None" = None,
    ) -> np.ndarray:
        from teacher_export.teacher.logits import predict_logits

        logits = predict_logits(
            teacher.model,
            tokens,
            pad_id=teacher.fill_id,
            segments=teacher.segments,
            precision=self._precision,
            batch_size=self._asked.batch_size,
            max_length=self._asked.max_length,
            where=where,
            advance=advance,
            look=look,
        )
        return logits[:, self._columns]

    def mean_token_states(self, texts: Sequence[str]) -> TokenStates | None:
        """Return each token's mean state over texts (``token_states``); None, and say so, where it shows none.

        Raises:
            InputError: it shows none, and hints of them are asked for.
        """
        from teacher_export.teacher.token_states import LONGEST, mean_token_states

        width = self._asked.hint_width
        tokenizer = cut_at(self._teacher.tokenizer, min(LONGEST, self._asked.max_length))
        with progress(len(texts), "reading the teacher's states") as bar:
            found = mean_token_states(
                self._teacher,
                encode(tokenizer, texts),
                precision=self._precision,
                batch_size=self._asked.batch_size,
                hint_width=width,
                advance=bar.update,
            )
        if found is None and width:
            raise InputError(
                f"--hint-width {width}: expected a teacher that shows finite states of these texts' tokens, got one "
                "that does not; leave it out"
            )
        if found is None:
            warn(
                "warning: this teacher shows no finite states of these texts' tokens, so students' embeddings start "
                "from its own table of tokens (as with --embedding-texts 0)"
            )
        return found

    @property
    def how(self) -> str:
        """Its precision and device."""
        return f"in {self._precision} on {self._device.type}"

    def place(self) -> dict[str, Any]:
        """Return the device, and how many threads the processor's part has."""
        import torch

        name = torch.cuda.get_device_name(self._device) if self._device.type == "cuda" else "cpu"
        return {"device": name, "threads": torch.get_num_threads()}


@dataclasses.dataclass(frozen=True)
class TransformerHandedOn:
    """What another process loads the same teacher of.

    Attributes:
        options: the teacher's options; its files are named by whole paths.
        finetuned: the folder of the fine-tuned teacher, or None.
        name: what the source is called.
        fingerprint: of its files.
        label_names: the data's classes.
        task: the data's.
        seed: draws a head that the files do not have; only a name for what is loaded.
        precision: its arithmetic.
        columns: the teacher's column for each class of the export.
    """

    options: dict[str, Any]
    finetuned: str | None
    name: str
    fingerprint: str
    label_names: list[str]
    task: str
    seed: int
    precision: str
    columns: list[int]

    @classmethod
    def of(cls, asked: TeacherConfig, source: TeacherSource, *, finetuned: bool, **known: Any) -> "TransformerHandedOn":
        """Return it of a teacher's options and files; ``known`` are the other attributes."""
        options = dataclasses.asdict(asked)
        for name in ("teacher", "teacher_config", "state_dict"):
            value = options[name]
            if value is not None and Path(value).expanduser().exists():
                options[name] = str(Path(value).expanduser().absolute())
        folder = str(source.folder.absolute()) if finetuned else None
        return cls(options, folder, source.name, source.fingerprint, **known)

    def load(self, device: DeviceName | None) -> TransformerRows:
        """Load the teacher, ready to label rows.

        Args:
            device: where, if not where the options say.

        Raises:
            InputError: its files are not here, or are others.
        """
        from teacher_export.teacher.loading import load_teacher

        silence_libraries()
        options = {**self.options, "label_map": tuple(self.options["label_map"])}
        if options["state_dict"] is not None:
            options["state_dict"] = Path(options["state_dict"])
        asked = TeacherConfig(**options)
        source = self._source(asked)
        if source.fingerprint != self.fingerprint:
            raise InputError(
                f"teacher {source.folder}: its files are not those that the plan was made with; put them back, or plan "
                "again into another folder"
            )
        teacher = load_teacher(source, tuple(self.label_names), asked.max_length, self.seed, self.task)
        rows = TransformerRows(
            asked,
            teacher,
            device=resolve_device(device or asked.device),
            precision=self.precision,
            columns=self.columns,
        )
        rows.place_model()
        return rows

    def _source(self, asked: TeacherConfig) -> TeacherSource:
        if self.finetuned is None:
            return resolve_teacher(asked)
        return folder_source(Path(self.finetuned), self.name)
