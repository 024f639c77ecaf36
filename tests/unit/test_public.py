"""The public API: pinned, complete, typed, and cheap to import."""

from __future__ import annotations

import importlib.metadata
import inspect
from pathlib import Path
from typing import get_args

import pytest

import pyskopeo

ROOT = Path(__file__).parents[2]
PUBLIC = [
    "Access",
    "AccessDenied",
    "AttachedFile",
    "Attributes",
    "Blob",
    "BlobFinished",
    "BlobProgress",
    "BlobStarted",
    "CannotPreserve",
    "CertificateNotTrusted",
    "CheckedManifest",
    "CheckedRequirement",
    "Choice",
    "CompletionReport",
    "ConnectionFailed",
    "ContentMismatch",
    "Converted",
    "CopyFinished",
    "CopyPlanned",
    "Credentials",
    "CredentialsFailed",
    "DaemonError",
    "Descriptor",
    "DestinationRefused",
    "DetachedReferrer",
    "Digest",
    "Event",
    "Explained",
    "Extracted",
    "Fault",
    "FaultKind",
    "Form",
    "GarbageReport",
    "GpgSigner",
    "HandshakeFailed",
    "ImageDestination",
    "ImageFile",
    "ImageReference",
    "ImageSource",
    "IncompleteTags",
    "Inspection",
    "InvalidContent",
    "InvalidDigest",
    "InvalidInput",
    "InvalidName",
    "KeyPair",
    "Keychain",
    "LayoutEntry",
    "LayoutSplit",
    "LockChange",
    "LockFile",
    "LockedImage",
    "Manifest",
    "ManifestRefused",
    "ManifestWritten",
    "MissingContent",
    "Network",
    "NetworkError",
    "NixImage",
    "NixRequest",
    "NoMatchingPlatform",
    "NotFound",
    "Offline",
    "PathNotFound",
    "PlacedContent",
    "Placement",
    "Plan",
    "Platform",
    "PolicyRejected",
    "PrefetchPlan",
    "PrefetchRequest",
    "Prefetched",
    "PrivateKeyFile",
    "Pruning",
    "PyskopeoError",
    "Ranges",
    "RateLimits",
    "Reference",
    "ReferredImage",
    "Referrer",
    "ReferrerReport",
    "ReferrersPlanned",
    "RegistryError",
    "Repair",
    "Report",
    "Requested",
    "Retry",
    "Retrying",
    "Selection",
    "SignatureReport",
    "SignatureTrust",
    "SignaturesWritten",
    "Signer",
    "SigstoreSigner",
    "SplitImage",
    "Stalled",
    "Storage",
    "StorageFailed",
    "StoreSize",
    "StoreVerification",
    "StoredFile",
    "StoredImage",
    "SyncFailed",
    "TooLarge",
    "Trust",
    "UnneededFile",
    "UnsafeAddress",
    "Unsupported",
    "Verdict",
    "VerificationReport",
    "WantedReferrers",
    "Warned",
    "Writing",
    "__version__",
    "assemble_layout",
    "attach",
    "carry_out",
    "check_lock",
    "collect_garbage",
    "complete_layout",
    "copy",
    "create_index",
    "delete",
    "detach",
    "download",
    "export_files",
    "extract_files",
    "find_missing_content",
    "generate_key_pair",
    "get_blob",
    "get_blobs",
    "get_manifest",
    "image_manifest",
    "inspect_image",
    "link_names",
    "list_files",
    "list_layout",
    "list_referrers",
    "list_store",
    "list_tags",
    "lock_images",
    "make_plan",
    "measure_store",
    "merge_layouts",
    "nix_prefetch",
    "open_destination",
    "open_file",
    "open_source",
    "parse_image_name",
    "plan_copy",
    "plan_prefetch",
    "prefetch",
    "prune_store",
    "put_blob",
    "put_manifest",
    "read_lock",
    "rebase",
    "repair_layout",
    "run_copy",
    "split_layout",
    "tag",
    "verify",
    "verify_signatures",
    "verify_store",
    "write_lock",
]


def test_the_names_are_these() -> None:
    """Adding one is a promise, taking one away breaks someone: either way, on purpose."""
    assert pyskopeo.__all__ == PUBLIC
    assert sorted(PUBLIC) == PUBLIC
    assert dir(pyskopeo) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_every_name_leads_to_something_documented(name: str) -> None:
    found = getattr(pyskopeo, name)
    assert found is getattr(pyskopeo, name)
    if inspect.isclass(found) or inspect.isfunction(found):
        assert found.__module__.startswith("pyskopeo.")
        text = inspect.getdoc(found)
        assert text
        assert not text.startswith(f"{name}("), "that is what dataclasses writes where nothing is written"


def test_all_events_are_public() -> None:
    kinds = {kind.__name__ for kind in get_args(pyskopeo.Event)}
    assert kinds
    assert kinds <= set(pyskopeo.__all__)


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'pyskopeo' has no attribute 'nothing'"):
        _ = pyskopeo.nothing


def test_everything_can_be_imported_by_a_star() -> None:
    names: dict[str, object] = {}
    exec("from pyskopeo import *", names)
    assert set(PUBLIC) <= set(names)


def test_every_public_argument_and_result_is_annotated() -> None:
    for name in PUBLIC:
        found = getattr(pyskopeo, name)
        functions = [found] if inspect.isfunction(found) else []
        if inspect.isclass(found) and found.__module__.startswith("pyskopeo."):
            functions = [f for n, f in inspect.getmembers(found, inspect.isfunction) if not n.startswith("_")]
        for function in functions:
            signature = inspect.signature(function)
            assert signature.return_annotation is not inspect.Signature.empty, function
            for parameter in signature.parameters.values():
                assert parameter.name == "self" or parameter.annotation is not inspect.Parameter.empty, function


def test_it_is_typed() -> None:
    assert (Path(pyskopeo.__file__).parent / "py.typed").is_file()


def test_the_version() -> None:
    assert importlib.metadata.version("pyskopeo") == pyskopeo.__version__
    assert pyskopeo.__version__.split(".")[0].isdigit()
