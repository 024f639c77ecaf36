"""Copy container images between registries, directories and archives, without a daemon.

::

    import anyio, pyskopeo
    digest = anyio.run(pyskopeo.copy, "docker://alpine", "oci:alpine:latest")

The public API is the names in ``__all__``: functions, the values that they take and return, the
events of a copy and all exceptions. Each is imported on first use, so that importing the package is
fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .access import Access, Network, Ranges, Storage, Writing
    from .api.artifacts import AttachedFile, attach, download
    from .api.blobs import get_blob, get_blobs, get_manifest, put_blob, put_manifest
    from .api.deletion import delete
    from .api.detachment import DetachedReferrer, detach
    from .api.files import export_files, extract_files, list_files, open_file
    from .api.images import copy, image_manifest, open_destination, open_source, plan_copy, run_copy
    from .api.index_creation import create_index
    from .api.inspection import Inspection, inspect_image
    from .api.layout_content import assemble_layout, complete_layout, find_missing_content, merge_layouts
    from .api.layout_split import link_names, split_layout
    from .api.layouts import collect_garbage, list_layout, repair_layout
    from .api.nix import NixImage, NixRequest, nix_prefetch
    from .api.rebase import rebase
    from .api.referrers import list_referrers
    from .api.repositories import list_tags, tag
    from .api.signature_verification import SignatureTrust, verify_signatures
    from .api.store import list_store, measure_store, prune_store, verify_store
    from .api.verification import verify
    from .credentials.authfile import Credentials
    from .credentials.keychain import Keychain
    from .engine.plan import Form, Plan
    from .engine.run import carry_out, make_plan
    from .engine.selection import Selection
    from .errors import (
        AccessDenied,
        CannotPreserve,
        CertificateNotTrusted,
        ConnectionFailed,
        ContentMismatch,
        CredentialsFailed,
        DaemonError,
        DestinationRefused,
        HandshakeFailed,
        IncompleteTags,
        InvalidContent,
        InvalidDigest,
        InvalidInput,
        InvalidName,
        ManifestRefused,
        NetworkError,
        NoMatchingPlatform,
        NotFound,
        Offline,
        PathNotFound,
        PolicyRejected,
        PyskopeoError,
        RegistryError,
        Stalled,
        StorageFailed,
        TooLarge,
        UnsafeAddress,
        Unsupported,
    )
    from .filesystem.contents import Attributes
    from .http.rate_limit import RateLimits
    from .http.retry import Retry
    from .http.tls import Trust
    from .interfaces import ImageDestination, ImageReference, ImageSource
    from .model.choice import Choice
    from .model.completion import CompletionReport, PlacedContent
    from .model.descriptor import Descriptor
    from .model.digest import Digest
    from .model.events import (
        BlobFinished,
        BlobProgress,
        BlobStarted,
        Converted,
        CopyFinished,
        CopyPlanned,
        Event,
        Explained,
        ManifestWritten,
        Placement,
        ReferrersPlanned,
        Report,
        Requested,
        Retrying,
        SignaturesWritten,
        Warned,
    )
    from .model.extracted_files import Extracted, ImageFile
    from .model.layout_split import LayoutSplit, SplitImage
    from .model.lock_file import LockFile
    from .model.locked_image import LockedImage
    from .model.manifest import Manifest
    from .model.missing_content import MissingContent
    from .model.platform import Platform
    from .model.reference import Reference
    from .model.referrer import ReferredImage, Referrer, ReferrerReport, WantedReferrers
    from .model.stored_content import Pruning, StoredFile, StoredImage, StoreSize, StoreVerification
    from .model.verification import (
        Fault,
        FaultKind,
        GarbageReport,
        LayoutEntry,
        Repair,
        UnneededFile,
        VerificationReport,
    )
    from .signatures.report import CheckedManifest, CheckedRequirement, SignatureReport
    from .signatures.signer import Signer
    from .signatures.verdict import Verdict
    from .signing.gpg import GpgSigner
    from .signing.sigstore import PrivateKeyFile, SigstoreSigner
    from .signing.sigstore_keys import KeyPair, generate_key_pair
    from .storage.lock_files import read_lock, write_lock
    from .streams.pump import Blob
    from .syncing.locking import LockChange, check_lock, lock_images
    from .syncing.prefetch import Prefetched, PrefetchPlan, PrefetchRequest, plan_prefetch, prefetch
    from .syncing.sync_request import SyncFailed
    from .transports import parse_image_name

# The module that defines each public name.
_HOMES = {
    "Access": "access",
    "AccessDenied": "errors",
    "AttachedFile": "api.artifacts",
    "Attributes": "filesystem.contents",
    "Blob": "streams.pump",
    "BlobFinished": "model.events",
    "BlobProgress": "model.events",
    "BlobStarted": "model.events",
    "CannotPreserve": "errors",
    "CertificateNotTrusted": "errors",
    "CheckedManifest": "signatures.report",
    "CheckedRequirement": "signatures.report",
    "Choice": "model.choice",
    "CompletionReport": "model.completion",
    "ConnectionFailed": "errors",
    "ContentMismatch": "errors",
    "Converted": "model.events",
    "CopyFinished": "model.events",
    "CopyPlanned": "model.events",
    "Credentials": "credentials.authfile",
    "CredentialsFailed": "errors",
    "DaemonError": "errors",
    "Descriptor": "model.descriptor",
    "DestinationRefused": "errors",
    "DetachedReferrer": "api.detachment",
    "Digest": "model.digest",
    "Event": "model.events",
    "Explained": "model.events",
    "Extracted": "model.extracted_files",
    "Fault": "model.verification",
    "FaultKind": "model.verification",
    "Form": "engine.plan",
    "GarbageReport": "model.verification",
    "GpgSigner": "signing.gpg",
    "HandshakeFailed": "errors",
    "ImageDestination": "interfaces",
    "ImageFile": "model.extracted_files",
    "ImageReference": "interfaces",
    "ImageSource": "interfaces",
    "IncompleteTags": "errors",
    "Inspection": "api.inspection",
    "InvalidContent": "errors",
    "InvalidDigest": "errors",
    "InvalidInput": "errors",
    "InvalidName": "errors",
    "KeyPair": "signing.sigstore_keys",
    "Keychain": "credentials.keychain",
    "LayoutEntry": "model.verification",
    "LayoutSplit": "model.layout_split",
    "LockChange": "syncing.locking",
    "LockFile": "model.lock_file",
    "LockedImage": "model.locked_image",
    "Manifest": "model.manifest",
    "ManifestRefused": "errors",
    "ManifestWritten": "model.events",
    "MissingContent": "model.missing_content",
    "Network": "access",
    "NetworkError": "errors",
    "NixImage": "api.nix",
    "NixRequest": "api.nix",
    "NoMatchingPlatform": "errors",
    "NotFound": "errors",
    "Offline": "errors",
    "PathNotFound": "errors",
    "PlacedContent": "model.completion",
    "Placement": "model.events",
    "Plan": "engine.plan",
    "Platform": "model.platform",
    "PolicyRejected": "errors",
    "PrefetchPlan": "syncing.prefetch",
    "PrefetchRequest": "syncing.prefetch",
    "Prefetched": "syncing.prefetch",
    "PrivateKeyFile": "signing.sigstore",
    "Pruning": "model.stored_content",
    "PyskopeoError": "errors",
    "Ranges": "access",
    "RateLimits": "http.rate_limit",
    "Reference": "model.reference",
    "ReferredImage": "model.referrer",
    "Referrer": "model.referrer",
    "ReferrerReport": "model.referrer",
    "ReferrersPlanned": "model.events",
    "RegistryError": "errors",
    "Repair": "model.verification",
    "Report": "model.events",
    "Requested": "model.events",
    "Retry": "http.retry",
    "Retrying": "model.events",
    "Selection": "engine.selection",
    "SignatureReport": "signatures.report",
    "SignatureTrust": "api.signature_verification",
    "SignaturesWritten": "model.events",
    "Signer": "signatures.signer",
    "SigstoreSigner": "signing.sigstore",
    "SplitImage": "model.layout_split",
    "Stalled": "errors",
    "Storage": "access",
    "StorageFailed": "errors",
    "StoreSize": "model.stored_content",
    "StoreVerification": "model.stored_content",
    "StoredFile": "model.stored_content",
    "StoredImage": "model.stored_content",
    "SyncFailed": "syncing.sync_request",
    "TooLarge": "errors",
    "Trust": "http.tls",
    "UnneededFile": "model.verification",
    "UnsafeAddress": "errors",
    "Unsupported": "errors",
    "Verdict": "signatures.verdict",
    "VerificationReport": "model.verification",
    "WantedReferrers": "model.referrer",
    "Warned": "model.events",
    "Writing": "access",
    "assemble_layout": "api.layout_content",
    "attach": "api.artifacts",
    "carry_out": "engine.run",
    "check_lock": "syncing.locking",
    "collect_garbage": "api.layouts",
    "complete_layout": "api.layout_content",
    "copy": "api.images",
    "create_index": "api.index_creation",
    "delete": "api.deletion",
    "detach": "api.detachment",
    "download": "api.artifacts",
    "export_files": "api.files",
    "extract_files": "api.files",
    "find_missing_content": "api.layout_content",
    "generate_key_pair": "signing.sigstore_keys",
    "get_blob": "api.blobs",
    "get_blobs": "api.blobs",
    "get_manifest": "api.blobs",
    "image_manifest": "api.images",
    "inspect_image": "api.inspection",
    "link_names": "api.layout_split",
    "list_files": "api.files",
    "list_layout": "api.layouts",
    "list_referrers": "api.referrers",
    "list_store": "api.store",
    "list_tags": "api.repositories",
    "lock_images": "syncing.locking",
    "make_plan": "engine.run",
    "measure_store": "api.store",
    "merge_layouts": "api.layout_content",
    "nix_prefetch": "api.nix",
    "open_destination": "api.images",
    "open_file": "api.files",
    "open_source": "api.images",
    "parse_image_name": "transports",
    "plan_copy": "api.images",
    "plan_prefetch": "syncing.prefetch",
    "prefetch": "syncing.prefetch",
    "prune_store": "api.store",
    "put_blob": "api.blobs",
    "put_manifest": "api.blobs",
    "read_lock": "storage.lock_files",
    "rebase": "api.rebase",
    "repair_layout": "api.layouts",
    "run_copy": "api.images",
    "split_layout": "api.layout_split",
    "tag": "api.repositories",
    "verify": "api.verification",
    "verify_signatures": "api.signature_verification",
    "verify_store": "api.store",
    "write_lock": "storage.lock_files",
}

__all__ = [
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


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{home}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
