"""How many processors this process may use. Shared by both halves; standard library only."""

import math
import os
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")


def usable_processors(cgroups: Path = _CGROUPS, own_cgroup: Path = _OWN_CGROUP) -> int:
    """Return the processors that this process may run on, 1 at least: what its affinity and a container's quota leave.

    Args:
        cgroups: where Linux mounts control groups, in version 2 or 1.
        own_cgroup: the file that names the process's own.
    """
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([count, *(math.ceil(quota) for quota in _quotas(cgroups, own_cgroup))]))


def _quotas(cgroups: Path, own_cgroup: Path) -> list[float]:
    """Return the quotas, in processors, of the process's control groups and of those around them."""
    found = []
    for line in _words(own_cgroup, separator="\n"):
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers and "cpu" not in controllers.split(","):
            continue
        # A container sees its own group as the root, but may be told its path outside.
        group = cgroups / "cpu" if controllers else cgroups
        inner = Path(path.lstrip("/"))
        for folder in {group / inner, *(group / parent for parent in inner.parents), group}:
            quota = _quota_v1(folder) if controllers else _quota_v2(folder)
            if quota is not None:
                found.append(quota)
    return found


def _quota_v2(folder: Path) -> float | None:
    return _ratio(_words(folder / "cpu.max"))


def _quota_v1(folder: Path) -> float | None:
    return _ratio([*_words(folder / "cpu.cfs_quota_us"), *_words(folder / "cpu.cfs_period_us")])


def _ratio(words: list[str]) -> float | None:
    """Return quota / period; None where there is none (``max`` or -1)."""
    if len(words) != 2 or not all(word.isdecimal() and int(word) for word in words):
        return None
    return int(words[0]) / int(words[1])


def _words(path: Path, separator: str | None = None) -> list[str]:
    try:
        return path.read_text().split(separator)
    except OSError:
        return []
