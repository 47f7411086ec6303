"""Free memory, read from files like the system's."""

from pathlib import Path

import pytest

from clipbias.common.memory import free_memory

MIB = 2**20


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


MEMINFO = f"MemTotal:  {100 * 1024} kB\nMemFree:  {10 * 1024} kB\nMemAvailable:  {60 * 1024} kB\n"
NEW, OLD = "sys/fs/cgroup/", "sys/fs/cgroup/memory/"


@pytest.mark.fast
@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("", {}, 60),
        ("0::/a/b\n", {f"{NEW}a/b/memory.max": "max", f"{NEW}a/b/memory.current": "1"}, 60),
        (
            "0::/a/b\n",
            {
                f"{NEW}a/memory.max": f"{50 * MIB}\n",
                f"{NEW}a/memory.current": f"{30 * MIB}\n",
                f"{NEW}a/memory.stat": f"anon {20 * MIB}\ninactive_file {5 * MIB}\n",
            },
            25,
        ),
        (
            "5:cpu:/\n4:memory:/c\n0::/\n",
            {
                f"{OLD}c/memory.limit_in_bytes": f"{40 * MIB}\n",
                f"{OLD}c/memory.usage_in_bytes": f"{39 * MIB}\n",
                f"{OLD}c/memory.stat": "total_inactive_file 0\n",
            },
            1,
        ),
        (
            "4:memory:/gone/from/here\n",
            {
                f"{OLD}memory.limit_in_bytes": f"{2**63 - 4096}\n",
                f"{OLD}memory.usage_in_bytes": "0\n",
                f"{OLD}memory.stat": "total_inactive_file 0\n",
            },
            60,
        ),
    ],
)
def test_the_least_of_what_the_system_and_every_group_leave(
    groups: str, files: dict[str, str], expected: int, tmp_path: Path
) -> None:
    root = write(tmp_path, {"proc/meminfo": MEMINFO, "proc/self/cgroup": groups} | files)
    assert free_memory(root) == expected * MIB


@pytest.mark.fast
def test_this_machine_has_some() -> None:
    assert free_memory() > 0
