"""Put images onto another base image, by image name; layers are neither read nor built anew."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from ..access import Access
from ..engine.graph import find_image
from ..engine.plan import DEFAULT_FORM, Form
from ..engine.policy_check import ImageCheck
from ..engine.run import carry_out, make_plan
from ..engine.selection import Selection
from ..errors import InvalidInput, InvalidName, Unsupported, prefix_errors
from ..fast_dataclass import replace
from ..interfaces import ImageSource
from ..model import mediatype
from ..model.choice import Choice
from ..model.events import Report, Warned, ignore
from ..model.manifest_conversion import image_to_oci, replace_children
from ..model.platform import Platform
from ..model.rebase import BASE_DIGEST, BASE_NAME, RebaseImage, rebase_image
from ..model.reference import Reference
from ..model.strict_json import CONFIG_LIMIT
from ..streams.memory_blob import in_memory
from ..transports import parse_image_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..interfaces import ImageDestination, ImageReference
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from ..streams.pump import Blob

SCRATCH = "scratch"
"""The name of an old base without layers."""


async def rebase(
    source: str,
    destination: str,
    *,
    old_base: str = "",
    new_base: str = "",
    platform: Platform | Choice | None = None,
    all_platforms: bool = False,
    form: Form = DEFAULT_FORM,
    report: Report = ignore,
    source_access: Access | None = None,
    destination_access: Access | None = None,
) -> Digest:
    """Write an image with another base: the layers of ``old_base`` are replaced by those of ``new_base``.

    All are image names (``transport:details``); ``old_base`` may be ``scratch``. By default the bases are those that
    the image's annotations name: the new one ``org.opencontainers.image.base.name``, the old one
    ``org.opencontainers.image.base.digest`` in the same repository. The annotations of the result name the new base.
    Layers, diff IDs and history are spliced from manifests and configurations alone; blobs are mounted where the
    destination is in a registry that has them, else copied. The configuration stays that of the image.

    Of an index, the image for ``platform`` is rebased, None: this machine's architecture, on Linux; with
    ``all_platforms`` every image, each onto the base of its platform. Credentials that ``source_access`` states are
    used for bases in the same registry only.

    Returns the digest of the result. Raises `InvalidInput` if the image is not built on the old base, and what `copy`
    raises.
    """
    reading, writing = (replace(access or Access.from_environ(), report=report)
                        for access in (source_access, destination_access))  # fmt: skip
    name, target = parse_image_name(source), parse_image_name(destination)
    reading, writing = name.share(target, reading, writing)
    async with AsyncExitStack() as stack:
        with prefix_errors(f"reading {name.image_name}"):
            opened = await stack.enter_async_context(name.open_source(reading))
            root = await opened.manifest()
        check = ImageCheck(name, opened, reading)
        with prefix_errors(f"initializing destination {target.image_name}"):
            writer = await stack.enter_async_context(target.open_destination(writing))
        rebasing = _Rebase(stack, name, opened, reading, bases=(old_base, new_base), destination=writer)
        if root.is_index and all_platforms:
            result = await rebasing.rebase_index(root, check)
        else:
            image = await find_image(opened, root, platform or Platform.host(), lambda message: report(Warned(message)))
            await check(image, None if image is root else image.descriptor)
            result = await rebasing.rebase(image)
        rebased = _RebasedSource(result, rebasing)
        selection = Selection(platform or Platform.host(), "all" if result.is_index else "system")
        plan = await make_plan(rebased, writer, selection, form)
        return await carry_out(plan, rebased, writer, report=report)


class _Rebase:
    """Rebases the images of one name; ``bases`` are the names of the old and the new one, "" for the annotations'.

    ``manifests`` and ``contents`` are what was made, and ``owners`` the sources of all other blobs, by digest.
    """

    def __init__(
        self, stack: AsyncExitStack, name: ImageReference, source: ImageSource, access: Access, *,
        bases: tuple[str, str], destination: ImageDestination,
    ) -> None:  # fmt: skip
        self._stack, self._name, self._source, self._access = stack, name, source, access
        self._old_base, self._new_base = bases
        self._accepts = destination.accepts
        self._opened: dict[str, tuple[ImageSource, Manifest, ImageCheck]] = {}
        self.manifests: dict[Digest, Manifest] = {}
        self.contents: dict[Digest, tuple[Descriptor, bytes]] = {}
        self.owners: dict[Digest, ImageSource] = {}

    async def rebase_index(self, index: Manifest, check: ImageCheck) -> Manifest:
        """Rebase every image of an index; return the new index, without entries that are no images for a platform.

        ``check`` is called with the index and its images.
        """
        await check(index, None)
        changed: dict[Digest, Descriptor] = {}
        for entry in index.manifests:
            if not entry.is_manifest or (entry.platform is not None and entry.platform.is_attestation):
                continue
            image = await self._source.manifest(entry)
            if image.is_index:
                raise Unsupported(f"{self._name.image_name}: an index in an index cannot be rebased: {entry.digest}")
            await check(image, entry)
            changed[entry.digest] = (await self.rebase(image)).descriptor
        if not changed:
            raise Unsupported(f"{self._name.image_name}: this index has no images")
        return replace_children(index, changed, frozenset(changed))

    async def rebase(self, manifest: Manifest) -> Manifest:
        """Return the manifest of one image on the new base."""
        shown = self._name.image_name
        original = await self._read(shown, self._source, manifest)
        new_name = self._new_base or _named_base(manifest.annotations, shown)
        new_source, new_root, check = await self._open(new_name)
        wanted = Choice(original.platform, known_variants=False)  # whatever its configuration calls it
        found = await find_image(new_source, new_root, wanted)
        await check(found, None if found is new_root else found.descriptor)
        new = await self._read(new_name, new_source, found)
        old = None
        old_name = self._old_base or _old_base(manifest.annotations, new_name, shown)
        if old_name != SCRATCH:
            old_source, old_root, check = await self._open(old_name)
            found = await find_image(old_source, old_root, wanted)
            await check(found, None if found is old_root else found.descriptor)
            old = await self._read(old_name, old_source, found, owns=False)
        annotations = {BASE_DIGEST: str(new_root.digest)}
        if (reference := parse_image_name(new_name).reference) is not None:
            annotations[BASE_NAME] = str(reference)
        written, described, content = rebase_image(original, old, new, annotations)
        self.manifests[written.digest] = written
        self.contents[described.digest] = described, content
        return written

    async def _read(
        self, name: str, source: ImageSource, manifest: Manifest, *, owns: bool = True
    ) -> RebaseImage:  # fmt: skip
        """Read the configuration of an image, whose layers come from ``source`` if it ``owns`` them."""
        if manifest.config is None or not manifest.is_image:
            raise Unsupported(f"{name} is no image that can be rebased, its manifest is of type {manifest.media_type}")
        config = await source.blob(manifest.config).read(CONFIG_LIMIT)
        if owns:
            for layer in manifest.layers:
                self.owners.setdefault(layer.digest, source)
        if manifest.media_type not in self._accepts.media_types and mediatype.OCI_MANIFEST in self._accepts.media_types:
            # Converted before, since a conversion would drop the annotations.
            manifest, _, config = image_to_oci(manifest, config)
        return RebaseImage.of(name, manifest, config)

    async def _open(self, name: str) -> tuple[ImageSource, Manifest, ImageCheck]:
        """Open a base image, once, and read its root manifest; the third value checks those that are used."""
        if name not in self._opened:
            try:
                reference = parse_image_name(name)
            except InvalidName as error:
                raise InvalidName(f'Invalid base image name "{name}": {error}') from None
            access = self._base_access(reference)
            with prefix_errors(f"reading the base image {name}"):
                source = await self._stack.enter_async_context(reference.open_source(access))
                self._opened[name] = source, await source.manifest(), ImageCheck(reference, source, access)
        return self._opened[name]

    def _base_access(self, reference: ImageReference) -> Access:
        """Return the access to a base: the credentials that were given are for the image's own registry only."""
        own, other = self._name.reference, reference.reference
        if own is not None and other is not None and own.registry == other.registry:
            return self._access
        keychain = replace(self._access.keychain, credentials=None, registry_token="", anonymous=False)
        return replace(self._access, keychain=keychain)


class _RebasedSource(ImageSource):
    """The result of a rebase: new manifests and configurations, and blobs from where they are."""

    def __init__(self, root: Manifest, made: _Rebase) -> None:
        self._root, self._made = root, made

    async def manifest(self, descriptor: Descriptor | None = None) -> Manifest:
        return self._root if descriptor is None else self._made.manifests[descriptor.digest]

    def blob(self, descriptor: Descriptor) -> Blob:
        if (made := self._made.contents.get(descriptor.digest)) is not None:
            return in_memory(*made)
        return self._made.owners[descriptor.digest].blob(descriptor)


def _named_base(annotations: Mapping[str, str], shown: str) -> str:
    """Return the image name of the base that annotations name."""
    name = annotations.get(BASE_NAME, "")
    if not name:
        raise InvalidInput(f"{shown} has no annotation {BASE_NAME}: name its new base with --new-base")
    try:
        return f"docker://{Reference.parse(name)}"
    except InvalidName as error:
        raise InvalidInput(f"{shown}: annotation {BASE_NAME}: {error}; name its new base with --new-base") from None


def _old_base(annotations: Mapping[str, str], new_name: str, shown: str) -> str:
    """Return the image name of the old base: the digest of the annotation, in the repository that is named there.

    Without such a name it is in the repository of the new base.
    """
    digest, name = annotations.get(BASE_DIGEST, ""), annotations.get(BASE_NAME, "")
    try:
        found = Reference.parse(name) if name else parse_image_name(new_name).reference
        if not digest or found is None:
            raise InvalidInput(f"{shown} has no annotation {BASE_DIGEST}: name its old base with --old-base")
        return f"docker://{Reference.parse(f'{found.name}@{digest}')}"
    except InvalidName as error:
        raise InvalidInput(f"{shown}: its annotations name no base: {error}; use --old-base") from None
