"""Build steps: as instructions of a Dockerfile, and the layers that they made."""

from __future__ import annotations

import pytest

from pyskopeo.model.image_history import MAX_STEPS, HistoryStep, read_history, steps_of_layers

FULL, EMPTY = HistoryStep("a"), HistoryStep("b", empty=True)


@pytest.mark.parametrize(
    ("stated", "instruction"),
    [
        ("/bin/sh -c #(nop) ADD file:e4d6 in / ", "ADD file:e4d6 in /"),
        ('/bin/sh -c #(nop)  CMD ["bash"]', 'CMD ["bash"]'),
        ("/bin/sh -c apt-get update", "RUN apt-get update"),
        ("RUN /bin/sh -c make # buildkit", "RUN make"),
        ("RUN |1 V=1.2 /bin/sh -c make # buildkit", "RUN make"),
        ("|2 V=1.2 W= /bin/sh -c make", "RUN make"),
        ("COPY . /app # buildkit", "COPY . /app"),
        ("crane append", "crane append"),
        ("", "made by hand"),
    ],
)
def test_a_step_is_shown_as_an_instruction(stated: str, instruction: str) -> None:
    assert HistoryStep(stated, comment="made by hand").instruction == instruction


@pytest.mark.parametrize(
    ("config", "steps"),
    [
        ({}, ()),
        ({"history": None}, ()),
        ({"history": "none"}, ()),
        ({"history": [None, 5, {"created_by": 5, "created": [], "empty_layer": "yes"}]}, (HistoryStep(""),) * 3),
        (
            {"history": [{"created_by": "a", "created": "t", "comment": "c", "empty_layer": True, "author": "x"}]},
            (HistoryStep("a", "t", "c", empty=True),),
        ),
    ],
)
def test_what_is_of_the_wrong_type_is_not_there(config: dict[str, object], steps: tuple[HistoryStep, ...]) -> None:
    assert read_history(config) == steps


def test_the_number_of_steps_is_limited() -> None:
    assert len(read_history({"history": [{}] * (MAX_STEPS + 1)})) == MAX_STEPS


@pytest.mark.parametrize(
    ("history", "count", "steps"),
    [
        ((FULL, EMPTY, FULL), 2, (FULL, FULL)),
        ((FULL, EMPTY), 2, (None, None)),  # which layer it made is not known
        ((), 1, (None,)),
        ((EMPTY,), 0, ()),
    ],
)
def test_each_layer_has_its_step(
    history: tuple[HistoryStep, ...], count: int, steps: tuple[HistoryStep | None, ...]
) -> None:
    assert steps_of_layers(history, count) == steps


def test_json_has_what_is_stated() -> None:
    assert HistoryStep("a", empty=True).to_json() == {"created_by": "a", "empty_layer": True}
    assert HistoryStep("", "t", "c").to_json() == {"created": "t", "comment": "c"}
