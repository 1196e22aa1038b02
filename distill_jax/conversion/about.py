"""What a program that has a model of token ids alone must know of it."""

from typing import Any

from distill_jax.packed.student import PackedStudent


def about(student: PackedStudent) -> dict[str, Any]:
    """Return the task, the classes' names, what decides the answers, and what inputs look like, as JSON values."""
    known = {
        "task": student.config.task,
        "label_names": list(student.label_names),
        "decision": dict(student.decision),
        "pad_id": student.config.pad_id,
        "max_length": student.max_length,
    }
    return known | {name: student.facts[name] for name in ("licence",) if name in student.facts}
