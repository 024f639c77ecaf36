"""The interfaces between the engine and the transports."""

from __future__ import annotations

import inspect

from pyskopeo.config.policy_scopes import Subject
from pyskopeo.engine.destination_wrapper import DestinationWrapper
from pyskopeo.interfaces import ImageDestination, ImageReference


def test_a_wrapper_forwards_every_method() -> None:
    """A method that a wrapper inherited instead would drop what the wrapped destination can do."""
    methods = {name for name, _ in inspect.getmembers(ImageDestination, inspect.isfunction) if not name.startswith("_")}
    assert len(methods) > 8
    assert methods <= set(vars(DestinationWrapper))


def test_a_transport_without_scopes_is_judged_by_its_name() -> None:
    class NewReference(ImageReference):
        transport = "new"

    assert NewReference("details").subject() == Subject("new")
