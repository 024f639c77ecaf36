"""What is written with an image, and when; between two ends that exist in memory only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from pyskopeo.engine.attachments import Attachments, check_signatures
from pyskopeo.engine.destination_wrapper import DestinationWrapper
from pyskopeo.engine.plan import Graph
from pyskopeo.engine.run import carry_out, make_plan
from pyskopeo.engine.selection import Selection
from pyskopeo.engine.signing import Signing
from pyskopeo.errors import CredentialsFailed, Unsupported
from pyskopeo.interfaces import Accepts
from pyskopeo.model import mediatype
from pyskopeo.model.digest import Digest
from pyskopeo.model.manifest import Manifest
from pyskopeo.model.reference import Reference
from pyskopeo.model.signature import Signature
from tests.support.images import build
from tests.support.memory import AMD64, OCI, Destination, Source
from tests.support.signers import NamedSigner

pytestmark = pytest.mark.anyio
IMAGE = build("oci-index")
ROOT = Manifest.parse(IMAGE.root.raw)
IDENTITY = Reference.parse("example.com/a:1")


class Noting(Destination):
    """Notes signatures in its log."""

    async def put_root(self, root: Manifest) -> None:
        self.log.append("root by digest")

    async def put_signatures(self, signatures: Sequence[Signature], digest: Digest, *, root: bool) -> None:
        shown = ",".join(signature.content.decode() for signature in signatures)
        self.log.append(f"signatures of {'the root' if root else digest}: {shown}")


async def test_signatures_follow_their_manifests_and_precede_the_name() -> None:
    destination = Noting(replace(OCI, unsigned=""))
    plan = await make_plan(Source(IMAGE), destination, Selection(AMD64, "all"))
    assert plan.inputs is not None
    signed = IMAGE.child(1).digest
    signatures = {ROOT.digest: (Signature("simple", b"of root"),), Digest.parse(signed): (Signature("simple", b"of child"),)}
    plan = replace(plan, inputs=replace(plan.inputs, graph=replace(plan.inputs.graph, signatures=signatures)))
    await carry_out(plan, Source(IMAGE), destination)
    log = [entry for entry in destination.log if entry != "blob"]
    assert log[-4:] == [f"signatures of {signed}: of child", "root by digest", "signatures of the root: of root", "commit"]
    assert log.index(f"manifest {signed}") < log.index(f"signatures of {signed}: of child")


async def test_every_signer_signs_every_manifest_after_those_that_are_copied() -> None:
    destination = Noting()
    copied = {ROOT.digest: (Signature("simple", b"old"),)}
    attachments = Attachments(copied, Signing((NamedSigner("first"), NamedSigner("second")), IDENTITY))
    children = [Manifest.parse(IMAGE.child(number).raw) for number in range(2)]
    await attachments.write_for_children(children, DestinationWrapper(destination))
    await attachments.write_for_root(ROOT, DestinationWrapper(destination))
    both = f"first {IDENTITY},second {IDENTITY}"
    assert sorted(destination.log[:2]) == sorted(f"signatures of {child.digest}: {both}" for child in children)
    assert destination.log[2:] == ["root by digest", f"signatures of the root: old,{both}"]


async def test_without_any_nothing_is_written() -> None:
    destination = Noting()
    await Attachments({ROOT.digest: ()}).write_for_root(ROOT, destination)
    await Attachments({}).write_for_children([ROOT], destination)
    assert destination.log == []


@pytest.mark.parametrize(
    ("signers", "refusal"), [(("",), "creating signature: no key"), (("a", ""), "creating signature 2: no key")]
)
async def test_an_image_that_cannot_be_signed_gets_no_name(signers: tuple[str, ...], refusal: str) -> None:
    destination = Noting()
    attachments = Attachments({}, Signing(tuple(NamedSigner(name) for name in signers), IDENTITY))
    with pytest.raises(CredentialsFailed, match=f"^{refusal}$"):
        await attachments.write_for_root(ROOT, destination)
    assert not any("signatures" in entry or entry == "commit" for entry in destination.log)


async def test_a_destination_without_a_place_for_signatures() -> None:
    accepts = Accepts(mediatype.MANIFESTS, unsigned="it is read-only", called="x:y")
    graph = Graph(ROOT, signatures={ROOT.digest: (Signature("simple", b"a"),)})
    with pytest.raises(Unsupported, match="^Can not copy signatures to x:y: it is read-only; --remove-signatures copies"):
        check_signatures(graph, Destination(accepts), "x:y")
    check_signatures(graph, Destination(replace(accepts, unsigned="")), "x:y")
    check_signatures(Graph(ROOT), Destination(accepts), "x:y")
    with pytest.raises(Unsupported, match="^Can not copy signatures to x:y: it is read-only$"):
        await Destination(accepts).put_signatures([Signature("simple", b"a")], ROOT.digest, root=True)
