"""Make and apply bundles by the names of images and files, for the library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..model.reference import Reference
from ..syncing.mapping import Renaming
from ..syncing.sync_request import IMAGES_AT_ONCE, SyncSink, ignore
from .application import AppliedImage, ApplyRequest, apply_request
from .creation import BundleRequest, make_bundle
from .places import BundleTarget
from .writing import WrittenBundle

if TYPE_CHECKING:
    from ..access import Access
    from ..api.signature_verification import SignatureTrust
    from ..engine.selection import Selection
    from ..model.referrer import WantedReferrers
    from ..signatures.signer import Signer


async def create_bundle(
    images: Sequence[str],
    output: Path | str,
    *,
    since: Sequence[Path | str] = (),
    selection: Selection | None = None,
    referrers: WantedReferrers | None = None,
    max_size: int | None = None,
    signers: tuple[Signer, ...] = (),
    sign_identity: str = "",
    jobs: int = IMAGES_AT_ONCE,
    report: SyncSink = ignore,
    access: Access | None = None,
) -> WrittenBundle:
    """Make a bundle of images at ``output``: an OCI archive in which each blob is once, as ``bundle create`` does.

    ``images`` are image names (``transport:details``), and paths of files that name some: a lock file, a YAML file as
    for `sync_images`, or a text with an image name in each line, which may be followed by the name in the bundle.
    ``since`` are earlier bundles, or the small files that were written beside them: what they have is left out.
    ``selection`` chooses among the images of an index; None: the platforms that a file names, or else this machine's
    architecture, on Linux. With ``max_size``, in bytes, there may be several files. ``signers`` sign the bundle as the
    image ``sign_identity``. ``referrers`` are as for `copy`; ``jobs`` is the maximum number of images copied at once,
    ``report`` is called with every event, in the event loop.

    The same images make the same bytes, but for signatures. What an interrupted run has fetched is not fetched again.
    Raises `InvalidInput` for arguments that are wrong, for an image without a full name and for two images with one,
    `DestinationRefused` if something else than a bundle is in the way, and the errors of registries and files.
    """
    request = BundleRequest(
        tuple(images), Path(output), tuple(map(Path, since)), selection, referrers, max_size, signers,
        Reference.parse(sign_identity, default_tag="") if sign_identity else None, jobs,
    )  # fmt: skip
    return await make_bundle(request, access=access, report=report)


async def apply_bundles(
    files: Sequence[Path | str],
    to: str = "",
    *,
    renaming: Sequence[str] | Mapping[str, str] = (),
    trust: SignatureTrust | None = None,
    jobs: int = IMAGES_AT_ONCE,
    report: SyncSink = ignore,
    access: Access | None = None,
) -> tuple[AppliedImage, ...]:
    """Put the images of bundles into a registry, a layout or the content store, as ``bundle apply`` does.

    ``files`` are those of one or several bundles; a path without a file stands for all parts beside it. ``to`` is
    ``docker://HOST[/PATH]`` or ``oci:PATH``; "": the content store of ``access``. In a registry an image keeps the path
    of its repository and its tag, in a layout its full name. ``renaming`` are rules ``REGEX=REPLACEMENT``, or a mapping
    from expressions to replacements: the first that matches in the full name makes the name below ``to``. They must be
    the program's own: matching may take very long for some expressions. ``trust`` says who has to have signed each
    bundle; None: the policy decides, as for an OCI archive.

    All blobs are copied and verified before any image gets its name; what is there is not copied again. Returns the
    images, sorted by name. Raises `InvalidInput`, `PathNotFound`, `InvalidContent` for a bundle that is damaged, of
    another version, or without one of its parts, `PolicyRejected`, `DestinationRefused` if what a bundle was made
    without is not there, and the errors of the destination.
    """
    target = BundleTarget.parse(to, Renaming.parse(renaming))
    request = ApplyRequest(tuple(map(Path, files)), target, trust, jobs)
    return await apply_request(request, access=access, report=report)
