"""What the distribution specification 1.1.1 demands: how many sentences with MUST each of its sections has, in order.

Each is a test by its number. Those about clients are tests of ours as a client, by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

COUNTS = {
    "Requirements": 2, "Pulling manifests": 7, "Pulling blobs": 4, "Checking if content exists": 2, "Push": 2,
    "POST then PUT": 3, "Single POST": 3, "Pushing a blob in chunks": 11, "Mounting a blob": 1, "Pushing Manifests": 7,
    "Pushing Manifests with Subject": 6, "Listing Tags": 9, "Listing Referrers": 15, "Deleting tags": 2,
    "Deleting Manifests": 3, "Deleting Blobs": 3, "Backwards Compatibility": 2, "Unavailable Referrers API": 2,
    "Enabling the Referrers API": 2, "Error Codes": 3, "Warnings": 3,
}  # fmt: skip

OF_CLIENTS = {
    ("Pulling manifests", 6): "test_the_digest_header_is_checked",
    ("Pulling blobs", 3): "test_the_digest_header_is_checked",
    ("Pushing a blob in chunks", 1): "test_our_client_pushes",
    ("Pushing a blob in chunks", 9): "test_our_client_pushes",
    ("Pushing Manifests", 1): "test_our_client_pushes",
    ("Pushing Manifests with Subject", 2): "test_from_and_to_the_tag_schema",
    ("Pushing Manifests with Subject", 3): "test_from_and_to_the_tag_schema",
    ("Pushing Manifests with Subject", 4): "test_from_and_to_the_tag_schema",
    ("Pushing Manifests with Subject", 5): "test_from_and_to_the_tag_schema",
    ("Pushing Manifests with Subject", 6): "test_from_and_to_the_tag_schema",
    ("Listing Referrers", 15): "test_the_tag_schema_without_the_api",
    ("Backwards Compatibility", 1): "test_the_tag_schema_of_docker_registry",
    ("Backwards Compatibility", 2): "test_the_tag_schema_without_the_api",
    ("Unavailable Referrers API", 1): "test_from_and_to_the_tag_schema",
    ("Unavailable Referrers API", 2): "test_the_tag_schema_without_the_api",
    ("Warnings", 3): "test_warnings_are_shown_once_and_clean",
}  # fmt: skip


def must(section: str, *numbers: int) -> Callable[[T], T]:
    """Say which requirements of a section a test is of."""
    assert numbers
    assert all(1 <= number <= COUNTS[section] for number in numbers)
    return lambda test: test
