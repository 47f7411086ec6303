"""How much memory there is for new processes."""

from collections.abc import Iterator
from pathlib import Path


def free_memory(root: Path = Path("/")) -> int:
    """Bytes that can be taken without swapping: what the system has, within the limits of this process's groups.

    root: of the file system, where /proc and /sys are.
    """
    return min([_available(root), *_left_by_groups(root)])


def _available(root: Path) -> int:
    lines = (root / "proc/meminfo").read_text().splitlines()
    entries = dict(line.split(":", 1) for line in lines)
    return int(entries["MemAvailable"].split()[0]) * 1024


def _left_by_groups(root: Path) -> Iterator[int]:
    """Of each control group with a limit: the limit, less what is used, but for files that can be read again."""
    for line in (root / "proc/self/cgroup").read_text().splitlines():
        _, controllers, name = line.split(":", 2)
        if controllers == "":
            top, limit, usage, files = root / "sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            top, limit, usage = root / "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
            files = "total_inactive_file"
        else:
            continue
        group = top / name.strip("/")
        for folder in (group, *group.parents):
            if (folder / usage).is_file() and (text := (folder / limit).read_text().strip()) != "max":
                read_again = dict(entry.split() for entry in (folder / "memory.stat").read_text().splitlines())
                yield max(0, int(text) - int((folder / usage).read_text()) + int(read_again.get(files, 0)))
            if folder == top:
                break
