"""Copy container images between registries, directories and archives, without a daemon.

::

    import anyio, pyskopeo
    digest = anyio.run(pyskopeo.copy, "docker://alpine", "oci:alpine:latest")

The public API is the names in ``__all__``: clients, functions, the values that they take and return,
events and all exceptions. Each is imported on first use, so that importing the package is fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

# Public names are listed twice, by the modules that define them: here for type checkers, to which `X as X` says that
# the name is exported, and below for imports on first use. `tests/unit/test_public.py` compares both.
if TYPE_CHECKING:
    from .access import (
        Access as Access,
        Network as Network,
        Ranges as Ranges,
        Reuse as Reuse,
        Storage as Storage,
        Writing as Writing,
    )
    from .api.artifacts import AttachedFile as AttachedFile, attach as attach, download as download
    from .api.blob_content import open_blob as open_blob, put_blob as put_blob
    from .api.blobs import (
        get_blob as get_blob,
        get_blobs as get_blobs,
        get_manifest as get_manifest,
        put_manifest as put_manifest,
    )
    from .api.catalog import list_repositories as list_repositories
    from .api.comparison import compare_images as compare_images
    from .api.deletion import delete as delete
    from .api.detachment import DetachedReferrer as DetachedReferrer, detach as detach
    from .api.files import (
        export_files as export_files,
        extract_files as extract_files,
        list_files as list_files,
        open_file as open_file,
    )
    from .api.image_tree import image_tree as image_tree
    from .api.images import (
        CopyArguments as CopyArguments,
        copy as copy,
        image_manifest as image_manifest,
        open_destination as open_destination,
        open_source as open_source,
        plan_copy as plan_copy,
        run_copy as run_copy,
    )
    from .api.index_creation import create_index as create_index
    from .api.inspection import Inspection as Inspection, inspect_image as inspect_image
    from .api.layout_content import (
        assemble_layout as assemble_layout,
        complete_layout as complete_layout,
        find_missing_content as find_missing_content,
        merge_layouts as merge_layouts,
    )
    from .api.layout_split import link_names as link_names, split_layout as split_layout
    from .api.layouts import (
        collect_garbage as collect_garbage,
        list_layout as list_layout,
        repair_layout as repair_layout,
    )
    from .api.nix import NixImage as NixImage, NixRequest as NixRequest, nix_prefetch as nix_prefetch
    from .api.pushed_artifacts import (
        PulledFile as PulledFile,
        pull_artifact as pull_artifact,
        push_artifact as push_artifact,
    )
    from .api.rebase import rebase as rebase
    from .api.referrers import list_referrers as list_referrers
    from .api.repositories import list_tags as list_tags, tag as tag
    from .api.several_images import copy_images as copy_images
    from .api.signature_verification import SignatureTrust as SignatureTrust, verify_signatures as verify_signatures
    from .api.store import (
        list_store as list_store,
        measure_store as measure_store,
        prune_store as prune_store,
        verify_store as verify_store,
    )
    from .api.tag_details import list_tag_details as list_tag_details
    from .api.usage import measure_image as measure_image
    from .api.verification import verify as verify
    from .bundles.application import AppliedImage as AppliedImage
    from .bundles.by_name import apply_bundles as apply_bundles, create_bundle as create_bundle
    from .bundles.inspection import compare_bundles as compare_bundles, list_bundles as list_bundles
    from .bundles.verification import verify_bundles as verify_bundles
    from .bundles.writing import WrittenBundle as WrittenBundle
    from .client.client import Client as Client
    from .client.settings import Login as Login
    from .client.sync_client import SyncClient as SyncClient
    from .config.proxies import Proxies as Proxies
    from .cluster.by_file import sync_on_cluster as sync_on_cluster
    from .credentials.authfile import Credentials as Credentials
    from .credentials.keychain import Keychain as Keychain
    from .encryption.keys import Decryption as Decryption, Encryption as Encryption
    from .engine.plan import Form as Form, Plan as Plan
    from .engine.run import CopyResult as CopyResult, carry_out as carry_out, make_plan as make_plan
    from .engine.selection import Selection as Selection
    from .errors import (
        AccessDenied as AccessDenied,
        CannotPreserve as CannotPreserve,
        CertificateNotTrusted as CertificateNotTrusted,
        ConnectionFailed as ConnectionFailed,
        ContentMismatch as ContentMismatch,
        CredentialsFailed as CredentialsFailed,
        DaemonError as DaemonError,
        DestinationRefused as DestinationRefused,
        HandshakeFailed as HandshakeFailed,
        IncompleteTags as IncompleteTags,
        InvalidContent as InvalidContent,
        InvalidDigest as InvalidDigest,
        InvalidInput as InvalidInput,
        InvalidName as InvalidName,
        ManifestRefused as ManifestRefused,
        NetworkError as NetworkError,
        NoMatchingPlatform as NoMatchingPlatform,
        NotFound as NotFound,
        Offline as Offline,
        PathNotFound as PathNotFound,
        PolicyRejected as PolicyRejected,
        PyskopeoError as PyskopeoError,
        RegistryError as RegistryError,
        Stalled as Stalled,
        StorageFailed as StorageFailed,
        TooLarge as TooLarge,
        UnsafeAddress as UnsafeAddress,
        Unsupported as Unsupported,
    )
    from .filesystem.contents import Attributes as Attributes
    from .filesystem.layer_reader import Advance as Advance
    from .http.rate_limit import RateLimits as RateLimits
    from .http.retry import Retry as Retry
    from .http.tls import Trust as Trust
    from .interfaces import (
        Accepts as Accepts,
        ImageDestination as ImageDestination,
        ImageReference as ImageReference,
        ImageSource as ImageSource,
    )
    from .model.bundle import BundleContents as BundleContents, BundledBlob as BundledBlob
    from .model.bundle_reports import (
        BundleDifference as BundleDifference,
        BundleFault as BundleFault,
        BundleSummary as BundleSummary,
        BundleVerification as BundleVerification,
        ChangedImage as ChangedImage,
    )
    from .model.choice import Choice as Choice
    from .model.completion import CompletionReport as CompletionReport, PlacedContent as PlacedContent
    from .model.descriptor import Descriptor as Descriptor
    from .model.digest import Digest as Digest
    from .model.events import (
        BlobFinished as BlobFinished,
        BlobProgress as BlobProgress,
        BlobStarted as BlobStarted,
        Converted as Converted,
        CopyFinished as CopyFinished,
        CopyPlanned as CopyPlanned,
        Event as Event,
        Explained as Explained,
        ManifestWritten as ManifestWritten,
        Placement as Placement,
        ReferrersPlanned as ReferrersPlanned,
        Report as Report,
        Requested as Requested,
        Retrying as Retrying,
        SignaturesWritten as SignaturesWritten,
        Warned as Warned,
    )
    from .model.extracted_files import Extracted as Extracted, ImageFile as ImageFile
    from .model.image_comparison import (
        ComparedImage as ComparedImage,
        ComparedLayer as ComparedLayer,
        FileDifference as FileDifference,
        ImageComparison as ImageComparison,
        ValueDifference as ValueDifference,
    )
    from .model.image_history import HistoryStep as HistoryStep
    from .model.image_tree import ImageTree as ImageTree, TreeLayer as TreeLayer, TreeManifest as TreeManifest
    from .model.image_usage import (
        ImageUsage as ImageUsage,
        LayerUsage as LayerUsage,
        PathUsage as PathUsage,
        WastedFile as WastedFile,
    )
    from .model.layout_split import LayoutSplit as LayoutSplit, SplitImage as SplitImage
    from .model.lock_file import LockFile as LockFile
    from .model.locked_image import LockedImage as LockedImage
    from .model.manifest import Manifest as Manifest
    from .model.missing_content import MissingContent as MissingContent
    from .model.platform import Platform as Platform
    from .model.receipt import Receipt as Receipt, ReceivedBlob as ReceivedBlob
    from .model.reference import Reference as Reference
    from .model.referrer import (
        ReferredImage as ReferredImage,
        Referrer as Referrer,
        ReferrerReport as ReferrerReport,
        WantedReferrers as WantedReferrers,
    )
    from .model.stored_content import (
        Pruning as Pruning,
        StoreSize as StoreSize,
        StoreVerification as StoreVerification,
        StoredFile as StoredFile,
        StoredImage as StoredImage,
    )
    from .model.tag_details import TagDetails as TagDetails
    from .model.tag_filter import Order as Order
    from .model.verification import (
        Fault as Fault,
        FaultKind as FaultKind,
        GarbageReport as GarbageReport,
        LayoutEntry as LayoutEntry,
        Repair as Repair,
        UnneededFile as UnneededFile,
        VerificationReport as VerificationReport,
    )
    from .signatures.report import (
        CheckedManifest as CheckedManifest,
        CheckedRequirement as CheckedRequirement,
        SignatureReport as SignatureReport,
    )
    from .signatures.signer import Signer as Signer
    from .signatures.verdict import Verdict as Verdict
    from .signing.gpg import GpgSigner as GpgSigner
    from .signing.sigstore import PrivateKeyFile as PrivateKeyFile, SigstoreSigner as SigstoreSigner
    from .signing.sigstore_keys import KeyPair as KeyPair, generate_key_pair as generate_key_pair
    from .storage.lock_files import read_lock as read_lock, write_lock as write_lock
    from .streams.byte_streams import BlobSink as BlobSink
    from .streams.progress import Progress as Progress
    from .streams.pump import Blob as Blob
    from .syncing.by_name import sync_images as sync_images
    from .syncing.locking import LockChange as LockChange, check_lock as check_lock, lock_images as lock_images
    from .syncing.plan_by_name import run_plan as run_plan, write_plan as write_plan
    from .syncing.planning import PlanTotals as PlanTotals
    from .syncing.prefetch import (
        PrefetchPlan as PrefetchPlan,
        PrefetchRequest as PrefetchRequest,
        Prefetched as Prefetched,
        plan_prefetch as plan_prefetch,
        prefetch as prefetch,
    )
    from .syncing.sync_request import (
        ImageEvent as ImageEvent,
        ImageFinished as ImageFinished,
        ImageGroup as ImageGroup,
        ImageResult as ImageResult,
        ImagesListed as ImagesListed,
        ImageStarted as ImageStarted,
        ImageWaiting as ImageWaiting,
        Listing as Listing,
        LogMessage as LogMessage,
        SyncEvent as SyncEvent,
        SyncFailed as SyncFailed,
        SyncImage as SyncImage,
        SyncReport as SyncReport,
        SyncSink as SyncSink,
    )
    from .transports import parse_image_name as parse_image_name

_NAMES = {
    "access": "Access Network Ranges Reuse Storage Writing",
    "api.artifacts": "AttachedFile attach download",
    "api.blob_content": "open_blob put_blob",
    "api.blobs": "get_blob get_blobs get_manifest put_manifest",
    "api.catalog": "list_repositories",
    "api.comparison": "compare_images",
    "api.deletion": "delete",
    "api.detachment": "DetachedReferrer detach",
    "api.files": "export_files extract_files list_files open_file",
    "api.image_tree": "image_tree",
    "api.images": "CopyArguments copy image_manifest open_destination open_source plan_copy run_copy",
    "api.index_creation": "create_index",
    "api.inspection": "Inspection inspect_image",
    "api.layout_content": "assemble_layout complete_layout find_missing_content merge_layouts",
    "api.layout_split": "link_names split_layout",
    "api.layouts": "collect_garbage list_layout repair_layout",
    "api.nix": "NixImage NixRequest nix_prefetch",
    "api.pushed_artifacts": "PulledFile pull_artifact push_artifact",
    "api.rebase": "rebase",
    "api.referrers": "list_referrers",
    "api.repositories": "list_tags tag",
    "api.several_images": "copy_images",
    "api.signature_verification": "SignatureTrust verify_signatures",
    "api.store": "list_store measure_store prune_store verify_store",
    "api.tag_details": "list_tag_details",
    "api.usage": "measure_image",
    "api.verification": "verify",
    "bundles.application": "AppliedImage",
    "bundles.by_name": "apply_bundles create_bundle",
    "bundles.inspection": "compare_bundles list_bundles",
    "bundles.verification": "verify_bundles",
    "bundles.writing": "WrittenBundle",
    "client.client": "Client",
    "client.settings": "Login",
    "client.sync_client": "SyncClient",
    "config.proxies": "Proxies",
    "cluster.by_file": "sync_on_cluster",
    "credentials.authfile": "Credentials",
    "credentials.keychain": "Keychain",
    "encryption.keys": "Decryption Encryption",
    "engine.plan": "Form Plan",
    "engine.run": "CopyResult carry_out make_plan",
    "engine.selection": "Selection",
    "errors": (
        "AccessDenied CannotPreserve CertificateNotTrusted ConnectionFailed ContentMismatch CredentialsFailed "
        "DaemonError DestinationRefused HandshakeFailed IncompleteTags InvalidContent InvalidDigest InvalidInput "
        "InvalidName ManifestRefused NetworkError NoMatchingPlatform NotFound Offline PathNotFound PolicyRejected "
        "PyskopeoError RegistryError Stalled StorageFailed TooLarge UnsafeAddress Unsupported"
    ),
    "filesystem.contents": "Attributes",
    "filesystem.layer_reader": "Advance",
    "http.rate_limit": "RateLimits",
    "http.retry": "Retry",
    "http.tls": "Trust",
    "interfaces": "Accepts ImageDestination ImageReference ImageSource",
    "model.bundle": "BundleContents BundledBlob",
    "model.bundle_reports": "BundleDifference BundleFault BundleSummary BundleVerification ChangedImage",
    "model.choice": "Choice",
    "model.completion": "CompletionReport PlacedContent",
    "model.descriptor": "Descriptor",
    "model.digest": "Digest",
    "model.events": (
        "BlobFinished BlobProgress BlobStarted Converted CopyFinished CopyPlanned Event Explained ManifestWritten "
        "Placement ReferrersPlanned Report Requested Retrying SignaturesWritten Warned"
    ),
    "model.extracted_files": "Extracted ImageFile",
    "model.image_comparison": "ComparedImage ComparedLayer FileDifference ImageComparison ValueDifference",
    "model.image_history": "HistoryStep",
    "model.image_tree": "ImageTree TreeLayer TreeManifest",
    "model.image_usage": "ImageUsage LayerUsage PathUsage WastedFile",
    "model.layout_split": "LayoutSplit SplitImage",
    "model.lock_file": "LockFile",
    "model.locked_image": "LockedImage",
    "model.manifest": "Manifest",
    "model.missing_content": "MissingContent",
    "model.platform": "Platform",
    "model.receipt": "Receipt ReceivedBlob",
    "model.reference": "Reference",
    "model.referrer": "ReferredImage Referrer ReferrerReport WantedReferrers",
    "model.stored_content": "Pruning StoreSize StoreVerification StoredFile StoredImage",
    "model.tag_details": "TagDetails",
    "model.tag_filter": "Order",
    "model.verification": "Fault FaultKind GarbageReport LayoutEntry Repair UnneededFile VerificationReport",
    "signatures.report": "CheckedManifest CheckedRequirement SignatureReport",
    "signatures.signer": "Signer",
    "signatures.verdict": "Verdict",
    "signing.gpg": "GpgSigner",
    "signing.sigstore": "PrivateKeyFile SigstoreSigner",
    "signing.sigstore_keys": "KeyPair generate_key_pair",
    "storage.lock_files": "read_lock write_lock",
    "streams.byte_streams": "BlobSink",
    "streams.progress": "Progress",
    "streams.pump": "Blob",
    "syncing.by_name": "sync_images",
    "syncing.locking": "LockChange check_lock lock_images",
    "syncing.plan_by_name": "run_plan write_plan",
    "syncing.planning": "PlanTotals",
    "syncing.prefetch": "PrefetchPlan PrefetchRequest Prefetched plan_prefetch prefetch",
    "syncing.sync_request": (
        "ImageEvent ImageFinished ImageGroup ImageResult ImagesListed ImageStarted ImageWaiting Listing "
        "LogMessage SyncEvent SyncFailed SyncImage SyncReport SyncSink"
    ),
    "transports": "parse_image_name",
}

_homes: dict[str, str] = {}


def _home_of() -> dict[str, str]:
    """Return the modules by the names that they define; made for the first name, since the command line needs none."""
    if not _homes:
        _homes.update((name, home) for home, names in _NAMES.items() for name in names.split())
    return _homes


def __getattr__(name: str) -> object:
    if name == "__all__":
        return __dir__()
    home = _home_of().get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{home}", __name__), name)


def __dir__() -> list[str]:
    return sorted((*_home_of(), "__version__"))
