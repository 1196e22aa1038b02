"""``python -m distill_jax.choosing.worker FILE``: measure a student in a process that has nothing else.

Standard input has a JSON list of texts, standard output gets a JSON object. ``own_process`` starts it.
"""

import json
import resource
import sys
from pathlib import Path

from distill_jax.choosing.timing import latencies, texts_per_second
from distill_jax.formats.registry import load


def _memory() -> int:
    """Return the bytes that this process holds; where the system does not say, the most that it ever held."""
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) << 10
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most << 10


def main() -> None:
    """Measure."""
    model = load(Path(sys.argv[1]))
    model.predict(["a text"])
    found: dict[str, float] = {"memory_bytes": _memory()}
    texts = json.load(sys.stdin)
    if texts:
        found["p50_ms"], found["p99_ms"] = latencies(model.logits, texts)
        found["texts_per_second"] = texts_per_second(lambda given: model.anew().logits(given), texts)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
