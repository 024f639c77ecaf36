"""`pyskopeo_images`: a repository with the images of a lock file, which `pyskopeo lock` writes."""

load(":program.bzl", "PROGRAM_ATTRS", "apparent_name", "network_flags", "new_program", "run")
load(":targets.bzl", "new_image", "new_list", "target_name", "target_names", "write_package")

IMAGES_ATTRS = dict(
    PROGRAM_ATTRS,
    lock = attr.label(
        allow_single_file = True,
        mandatory = True,
        doc = "The lock file.",
    ),
    only = attr.string_list(
        doc = "Names of images in the lock. Default: all.",
    ),
)

_LOCK_VERSION = 1
_LAYOUT = "layout"
_ROOT = 'exports_files(glob(["{}/**"]), ["//visibility:public"])\n'

def _pyskopeo_images_impl(rctx):
    program = new_program(rctx)
    wanted = locked_images(rctx, rctx.attr.lock, rctx.attr.only)
    words = ["prefetch", "--dest=oci:" + _LAYOUT] + program.store_flags + network_flags(rctx)
    what = "{}: pulling the images of {}".format(apparent_name(rctx), rctx.attr.lock)
    run(rctx, program, words + [rctx.path(rctx.attr.lock)] + rctx.attr.only, what)
    rctx.file("BUILD.bazel", _ROOT.format(_LAYOUT), executable = False)
    manifests = _lock(rctx, rctx.attr.lock)["manifests"]
    for name, image in wanted.items():
        images, whole = _contents(image, manifests)
        write_package(rctx, package_name(name) + "/", "//:" + _LAYOUT, images, whole)
    if hasattr(rctx, "repo_metadata"):
        return rctx.repo_metadata(reproducible = True)
    return None

def _lock(context, label):
    lock = json.decode(context.read(context.path(label)))
    if lock.get("lockVersion") != _LOCK_VERSION:
        fail("{}: lockVersion is {}, and these rules read {}".format(label, lock.get("lockVersion"), _LOCK_VERSION))
    return lock

def locked_images(context, label, only):
    """Returns images of a lock file by name.

    Args:
      context: of a repository rule or a module extension
      label: of the lock file
      only: the wanted names; empty for all
    """
    images = _lock(context, label)["images"]
    for name in only:
        if name not in images:
            fail("{}: no image {} is locked, only: {}".format(label, repr(name), ", ".join(images)))
    return {name: images[name] for name in only or images}

def package_name(image):
    """Returns the name of the package for an image: its name in the lock, with what a package may not have replaced."""
    return "".join([letter if letter.isalnum() or letter in "/._-" else "_" for letter in image.elems()])

def _contents(image, manifests):
    """Returns what `write_package` wants for an image in a lock: its platforms, and in a list the image if it is one.

    A list with other lists in it is left out: the lock has their entries in the bytes of their manifests only.
    """
    is_list = "layers" not in manifests[image["digest"]]
    is_nested = False
    platforms = []
    all_digests = [image["digest"]]
    for entry in image["manifests"]:
        manifest = manifests.get(entry["digest"], {})
        if "layers" not in manifest or "config" not in manifest:
            is_nested = True
            continue
        digests = [entry["digest"], manifest["config"]["digest"]] + [layer["digest"] for layer in manifest["layers"]]
        all_digests += digests
        if not is_list or entry.get("platform", {}).get("os", "unknown") != "unknown":  # that of attestations
            platforms.append(new_image(target_name(entry) if is_list else "", entry, digests))
    root = {key: image[key] for key in ("mediaType", "digest", "size")}
    return platforms, [new_list(root, all_digests)] if is_list and not is_nested else []

pyskopeo_images = repository_rule(
    implementation = _pyskopeo_images_impl,
    attrs = IMAGES_ATTRS,
    doc = """The images of a lock file, pulled by one process.

`//NAME:image`, `//NAME:linux_amd64` and so on are as those of `pyskopeo_pull`.
""",
)

def _pyskopeo_images_hub_impl(rctx):
    for name, repository in rctx.attr.repositories.items():
        package = package_name(name)
        text = 'package(default_visibility = ["//visibility:public"])\n'
        for target in rctx.attr.targets[name]:
            text += '\nalias(name = "{0}", actual = "@{1}//{2}:{0}")\n'.format(target, repository, package)
        rctx.file(package + "/BUILD.bazel", text, executable = False)
    rctx.file("BUILD.bazel", "", executable = False)
    if hasattr(rctx, "repo_metadata"):
        return rctx.repo_metadata(reproducible = True)
    return None

def image_targets(context, label, only):
    """Returns the names of the targets of each image in a lock file, by the image's name."""
    manifests = _lock(context, label)["manifests"]
    targets = {}
    for name, image in locked_images(context, label, only).items():
        images, whole = _contents(image, manifests)
        targets[name] = target_names(images, whole)
    return targets

pyskopeo_images_hub = repository_rule(
    implementation = _pyskopeo_images_hub_impl,
    attrs = {
        "repositories": attr.string_dict(),
        "targets": attr.string_list_dict(),
    },
    doc = "The images of a lock file, each of which is in a repository of its own and pulled when it is needed.",
)
