"""The BUILD files of repositories with images: a directory target for each platform."""

_HEADER = """\
load("{layout}", "layout_directory")

package(default_visibility = ["//visibility:public"])
"""

_LAYOUT = """
layout_directory(
    name = "{name}",
    blobs = {blobs},
    digest = "{digest}",
    index = "{index}",
)
"""

_SETTING = """
config_setting(
    name = "{name}",
    constraint_values = {constraints},
)
"""

_ALIAS = """
alias(
    name = "image",
    actual = {actual},
)
"""

# Names in the repository `platforms` for those of images.
_SYSTEMS = {"linux": "linux", "windows": "windows"}
_PROCESSORS = {
    "386": "x86_32",
    "amd64": "x86_64",
    "arm": "arm",
    "arm64": "aarch64",
    "ppc64le": "ppc64le",
    "riscv64": "riscv64",
    "s390x": "s390x",
}

def platform_words(platform):
    """Returns os, architecture and, if there is one, variant of a platform in JSON, as a list."""
    words = [platform.get("os", ""), platform.get("architecture", ""), platform.get("variant", "")]
    return [word for word in words if word]

def target_name(descriptor):
    """Returns the name of the target for an image of a list, such as `linux_arm64_v8`."""
    words = platform_words(descriptor["platform"])
    allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"

    # The words are those of an image, and become part of a BUILD file.
    return "".join([letter if letter in allowed else "_" for letter in "_".join(words).elems()])

def new_image(name, descriptor, blobs):
    """Returns an image for `write_package`.

    Args:
      name: the name of its target; empty for the only image, which then is `:image`
      descriptor: of its manifest
      blobs: the digests of the manifest, the configuration and the layers that are there
    """
    return struct(name = name or "image", descriptor = descriptor, blobs = blobs)

def new_list(descriptor, blobs):
    """Returns a list of images for `write_package`, with the digests of everything that belongs to it."""
    return new_image("index", descriptor, blobs)

def target_names(images, whole):
    """Returns the names of the targets that `write_package` makes for the same arguments."""
    named = [image.name for image in _with_different_names(images + whole)]
    has_choice = _chosen(images) if len(images) != 1 else True
    return named + (["image"] if has_choice and "image" not in named else [])

def write_package(rctx, package, layout, images, whole):
    """Writes a BUILD file with a directory for each image, and `:image` for that of the target platform.

    Args:
      rctx: the context of a repository rule
      package: the path of the package in the repository, with a slash at its end, or empty
      layout: the label of the package with the layout that all blobs are in, and the path in it
      images: what `new_image` returned, in the order of preference
      whole: what `new_list` returned, in a list; empty if the image is none
    """
    text = _HEADER.format(layout = str(Label("//private:layout.bzl")))
    images = _with_different_names(images)
    for image in images + whole:
        index = "{}.index.json".format(image.name)
        rctx.file(package + index, json.encode({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [image.descriptor],
        }), executable = False)
        text += _LAYOUT.format(
            name = image.name,
            blobs = repr([layout + "/blobs/" + digest.replace(":", "/") for digest in _unique(image.blobs)]),
            digest = image.descriptor["digest"],
            index = index,
        )
    chosen = _chosen(images)
    if len(images) == 1 and images[0].name != "image":
        text += _ALIAS.format(actual = repr(":" + images[0].name))
    elif len(images) > 1 and chosen:
        text += _choice(images, chosen)
    rctx.file(package + "BUILD.bazel", text, executable = False)

def _chosen(images):
    """Returns the images that a target platform chooses, by its constraints.

    Of several variants it is the first: constraints do not tell them apart.
    """
    chosen = {}
    for image in images:
        platform = image.descriptor.get("platform", {})
        system = _SYSTEMS.get(platform.get("os"))
        processor = _PROCESSORS.get(platform.get("architecture"))
        if system and processor:
            chosen.setdefault("@platforms//os:{} @platforms//cpu:{}".format(system, processor), image)
    return chosen

def _choice(images, chosen):
    """Returns the target `:image`, which is one of several by the platform that is built for."""
    text = ""
    names = {}
    for constraints, image in chosen.items():
        setting = "is_" + image.name
        text += _SETTING.format(name = setting, constraints = repr(constraints.split(" ")))
        names[":" + setting] = ":" + image.name
    error = "the image has no platform like the target platform, only: " + ", ".join([image.name for image in images])
    return text + _ALIAS.format(actual = "select({}, no_match_error = {})".format(repr(names), repr(error)))

def _with_different_names(images):
    """Returns the images with a part of the digest in the names that several have, as versions of Windows do."""
    named = {}
    for image in images:
        name = image.name
        if name in named:
            name += "_" + image.descriptor["digest"].partition(":")[2][:12]
        named[name] = new_image(name, image.descriptor, image.blobs)
    return list(named.values())

def _unique(values):
    return {value: None for value in values}.keys()
