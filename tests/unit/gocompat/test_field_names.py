"""Names of fields, which Go matches in any case."""

from __future__ import annotations

import pytest

from pyskopeo.errors import InvalidContent
from pyskopeo.gocompat.field_names import FieldNames, fold_name

NAMES = FieldNames.of("layers", "mediaType", "os.version", "kind")


@pytest.mark.parametrize(
    ("name", "folded"),
    [("Layers", "layers"), ("LAYERS", "layers"), ("layer\u017f", "layers"), ("\u212aind", "kind"), ("K\u0130nd", "ki\u0307nd")],
)
def test_folding(name: str, folded: str) -> None:
    """As Go's ``strings.EqualFold``: of other letters only the long s and the Kelvin sign are ASCII ones."""
    assert fold_name(name) == folded


@pytest.mark.parametrize("name", ["Layers", "layer\u017f", "LAYER\u017f", "MediaType", "OS.version", "\u212aind"])
def test_a_name_in_another_case(name: str) -> None:
    with pytest.raises(InvalidContent, match="here: .* differs from .* by case only"):
        NAMES.check({"layers": [], name: []}, "here")
    with pytest.raises(InvalidContent, match="by case only"):
        NAMES.check({name: []}, "here")


def test_names_that_are_no_fields() -> None:
    NAMES.check({"layers": 1, "x": 1, "X": 2, "layer": 3, "l\u00e4yers": 4}, "here")
    value = {"x": 1, "X": 2, "layers": 3}
    assert NAMES.normalize(value, "here") == value


def test_names_as_go_reads_them() -> None:
    assert dict(NAMES.normalize({"LAYERS": [1], "x": 2}, "here")) == {"layers": [1], "x": 2}
    for twice in ({"layers": 1, "Layers": 2}, {"Layers": 1, "LAYERS": None}):
        with pytest.raises(InvalidContent, match="here has 'layers' twice, in different case"):
            NAMES.normalize(twice, "here")
