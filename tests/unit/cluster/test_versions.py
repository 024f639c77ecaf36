"""Workers with other versions are refused in one line."""

from __future__ import annotations

import json

import pytest

from pyskopeo.cluster.versions import check_versions
from pyskopeo.cluster.worker import describe
from pyskopeo.errors import Unsupported

HERE = json.dumps({"pyskopeo": "1.0", "python": "3.11", "distributed": "2026.1"})


def _with(**changed: str) -> str:
    return json.dumps(json.loads(HERE) | changed)


@pytest.mark.parametrize(
    ("workers", "said"),
    [
        ({"w1": _with(pyskopeo="0.9")}, "pyskopeo 0.9 (here: 1.0) on w1"),
        ({"w1": HERE, "w2": _with(python="3.12")}, "python 3.12 (here: 3.11) on w2"),
        ({"w1": _with(distributed="2024.8")}, "distributed 2024.8 (here: 2026.1) on w1"),
        ({"w1": "{}"}, "pyskopeo None (here: 1.0) on w1"),
        (
            {f"w{n}": ModuleNotFoundError("No module named 'pyskopeo'") for n in range(5)},
            "pyskopeo 1.0 cannot be imported (No module named 'pyskopeo') on w0, w1, w2 and 2 more",
        ),
    ],
)
def test_others(workers: dict[str, object], said: str) -> None:
    with pytest.raises(Unsupported) as refused:
        check_versions(HERE, workers)
    assert str(refused.value) == f"{said}: install the same versions on all workers"


def test_the_same() -> None:
    check_versions(describe(), {"w1": describe(), "w2": describe()})
    check_versions(HERE, {})
