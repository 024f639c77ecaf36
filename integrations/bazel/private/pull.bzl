"""`pyskopeo_pull`: a repository with one image of a registry, of some or all platforms."""

load(":program.bzl", "PROGRAM_ATTRS", "apparent_name", "network_flags", "new_program", "run")
load(":targets.bzl", "new_image", "new_list", "platform_words", "target_name", "write_package")

PULL_ATTRS = dict(
    PROGRAM_ATTRS,
    digest = attr.string(
        doc = "The digest of the image, or of the list of its platforms, if it is not in `image`.",
    ),
    image = attr.string(
        mandatory = True,
        doc = "REGISTRY/REPOSITORY[:TAG][@DIGEST]; the tag is only for readers and programs that update the digest.",
    ),
    layers = attr.string(
        default = "all",
        values = ["all", "none"],
        doc = "`none`: manifests and configurations only; `pyskopeo_assemble` completes such an image.",
    ),
    platforms = attr.string_list(
        doc = "OS/ARCH[/VARIANT]; the images of a list to pull. Default: all.",
    ),
    reproducible = attr.bool(
        default = True,
        doc = "False: without a digest, pull what the tag names now.",
    ),
)

_LAYOUT = "layout"
_MAX_DEPTH = 8

def _pyskopeo_pull_impl(rctx):
    program = new_program(rctx)
    name, digest = _name_and_digest(rctx)
    what = "{}: pulling {}".format(apparent_name(rctx), rctx.attr.image)
    pinned = bool(digest)
    if not pinned:
        digest = _resolve(rctx, program, name, what)
    words = ["copy", "--quiet", "--preserve-digests"]
    if rctx.attr.layers != "all":
        words.append("--layers=" + rctx.attr.layers)
    words.append("--multi-arch=" + ",".join(rctx.attr.platforms) if rctx.attr.platforms else "--all")
    source = "docker://{}@{}".format(_without_tag(name), digest)
    run(rctx, program, words + program.store_flags + network_flags(rctx, "src-") + [source, "oci:" + _LAYOUT], what)
    _write_targets(rctx, what)
    if hasattr(rctx, "repo_metadata"):
        attributes = {} if pinned else _attributes(rctx, digest)
        return rctx.repo_metadata(reproducible = pinned, attrs_for_reproducibility = attributes)
    return None if pinned else _attributes(rctx, digest)

def _name_and_digest(rctx):
    """Returns what `image` and `digest` say: the name, with its tag, and the digest; empty if there is none."""
    name, _, digest = rctx.attr.image.replace("docker://", "", 1).partition("@")
    if digest and rctx.attr.digest and digest != rctx.attr.digest:
        fail("{}: `image` has the digest {}, and `digest` is {}".format(apparent_name(rctx), digest, rctx.attr.digest))
    digest = digest or rctx.attr.digest
    if not digest and rctx.attr.reproducible:
        fail("{}: {} has no digest: set `digest`, or `reproducible = False`".format(apparent_name(rctx), rctx.attr.image))
    return name, digest

def _without_tag(name):
    directory, slash, last = name.rpartition("/")
    return directory + slash + last.partition(":")[0]

def _resolve(rctx, program, name, what):
    """Returns the digest that a tag has now."""
    words = ["inspect", "--format={{.Digest}}"] + network_flags(rctx) + ["docker://" + name]
    digest = run(rctx, program, words, what).strip()

    # buildifier: disable=print
    print("{}: pulled {} by its tag; for the same image in each build: digest = {}".format(
        apparent_name(rctx),
        name,
        repr(digest),
    ))
    return digest

def _attributes(rctx, digest):
    """Returns the attributes that give the same repository again, as older Bazel wants them."""
    names = [attribute for attribute in PULL_ATTRS if attribute not in ("digest", "reproducible")]
    values = {attribute: getattr(rctx.attr, attribute) for attribute in names}
    return dict(values, name = rctx.name, digest = digest)

def _write_targets(rctx, what):
    """Writes the BUILD files for what was pulled into the layout."""
    (root,) = json.decode(rctx.read(_LAYOUT + "/index.json"))["manifests"]
    document = _document(rctx, root)
    if "manifests" not in document:
        _check_platform(rctx, root, document, what)
        write_package(rctx, "", _LAYOUT, [new_image("", _plain(root), _digests(rctx, root, document))], [])
        return
    images = [
        new_image(target_name(entry), _plain(entry), _digests(rctx, entry, manifest))
        for entry, manifest in _pulled_images(rctx, document["manifests"])
        if entry.get("platform", {}).get("os", "unknown") != "unknown"  # that of attestations
    ]
    if not images:
        fail("{}: no image for a platform was pulled".format(what))
    write_package(rctx, "", _LAYOUT, images, [new_list(_plain(root), _all_digests(rctx))])

def _document(rctx, descriptor):
    """Returns the manifest for a descriptor; None if it was not pulled."""
    path = rctx.path("{}/blobs/{}".format(_LAYOUT, descriptor["digest"].replace(":", "/")))
    return json.decode(rctx.read(path)) if path.exists else None

def _plain(descriptor):
    """Returns a descriptor without the name that the image has in the layout."""
    return {key: descriptor[key] for key in ("mediaType", "digest", "size", "platform") if key in descriptor}

def _digests(rctx, descriptor, manifest):
    """Returns the digests of what belongs to an image: of its manifest, configuration and layers that were pulled."""
    layers = manifest["layers"] if rctx.attr.layers == "all" else []
    return [descriptor["digest"], manifest["config"]["digest"]] + [layer["digest"] for layer in layers]

def _pulled_images(rctx, entries):
    """Returns pairs of the descriptor and the manifest of the images in a list that were pulled; also of lists in it."""
    images = []
    for _ in range(_MAX_DEPTH):
        nested = []
        for entry in entries:
            manifest = _document(rctx, entry)
            if manifest and "layers" in manifest:
                images.append((entry, manifest))
            elif manifest:
                nested += manifest.get("manifests", [])
        entries = nested
    return images

def _all_digests(rctx):
    """Returns the digests of everything that was pulled."""
    found = []
    for directory in rctx.path(_LAYOUT + "/blobs").readdir():
        found += ["{}:{}".format(directory.basename, file.basename) for file in directory.readdir()]
    return sorted(found)

def _check_platform(rctx, descriptor, manifest, what):
    """Fails if the image, which is no list, is for another platform than the wanted one."""
    config = _document(rctx, manifest["config"])
    found = "/".join(platform_words(config)[:2])
    for wanted in rctx.attr.platforms:
        if "/".join(wanted.split("/")[:2]) != found:
            fail("{}: the image is for {} only, not for {}".format(what, found, wanted))

pyskopeo_pull = repository_rule(
    implementation = _pyskopeo_pull_impl,
    attrs = PULL_ATTRS,
    doc = """An image by its digest. Its targets are OCI layouts in directories.

The first two have one image each, as `oci_image(base = ...)` of rules_oci takes it.

* `:image`: the image for the platform that is built for; the only one, if there is one only
* `:linux_amd64`, `:linux_arm64`, ...: the image for a platform, where the image is a list
* `:index`: the list, with the images that were pulled
""",
)
