"""The module extension `pyskopeo`: images as repositories, for MODULE.bazel. See docs/tasks/bazel.md."""

load("//private:images.bzl", "IMAGES_ATTRS", "image_targets", "package_name", "pyskopeo_images", "pyskopeo_images_hub")
load("//private:pull.bzl", "PULL_ATTRS", "pyskopeo_pull")
load("//private:tool.bzl", "TOOL_ATTRS", "pyskopeo_tool")

_NAME = {"name": attr.string(mandatory = True, doc = "Name of the repository.")}

# The same for all pulls: what `tool` says.
_OF_TOOL = ["python", "tool"]

def _tag_attrs(attrs):
    return {name: attribute for name, attribute in attrs.items() if name not in _OF_TOOL} | _NAME

def _values(tag, attrs):
    return {name: getattr(tag, name) for name in attrs if name not in _OF_TOOL}

def _pyskopeo_impl(mctx):
    tool = _tool(mctx)
    common = {"tool": "@pyskopeo_tool//:pyskopeo" + ("" if tool and tool.executable else ".pyz")}
    if tool and tool.python:
        common["python"] = tool.python
    pyskopeo_tool(name = "pyskopeo_tool", **{name: getattr(tool, name) for name in TOOL_ATTRS} if tool else {})
    owners = {}
    direct = []
    for module in mctx.modules:
        for tag in module.tags.pull + module.tags.images:
            if tag.name in owners:
                fail("pyskopeo: the modules {} and {} both define {}".format(owners[tag.name], module.name, tag.name))
            owners[tag.name] = module.name
            if module.is_root:
                direct.append(tag.name)
        for tag in module.tags.pull:
            pyskopeo_pull(name = tag.name, **(_values(tag, PULL_ATTRS) | common))
        for tag in module.tags.images:
            _images(mctx, tag, common)
    return mctx.extension_metadata(
        reproducible = True,
        root_module_direct_deps = direct,
        root_module_direct_dev_deps = [],
    )

def _tool(mctx):
    """Returns the tag that says which program to run: that of the root module, or the first of all others."""
    for module in mctx.modules:
        for tag in module.tags.tool:
            return tag
    return None

def _images(mctx, tag, common):
    """Defines a repository for each image of a lock file, so that only what is built is pulled."""
    values = _values(tag, IMAGES_ATTRS) | common
    targets = image_targets(mctx, tag.lock, tag.only)
    repositories = {}
    for name in targets:
        repository = "{}.{}".format(tag.name, package_name(name).replace("/", "."))
        if repository in repositories.values():
            repository += ".{}".format(hash(name))
        repositories[name] = repository
        pyskopeo_images(name = repository, **(values | {"only": [name]}))
    pyskopeo_images_hub(name = tag.name, repositories = repositories, targets = targets)

pyskopeo = module_extension(
    implementation = _pyskopeo_impl,
    tag_classes = {
        "images": tag_class(attrs = _tag_attrs(IMAGES_ATTRS), doc = "The images of a lock file."),
        "pull": tag_class(attrs = _tag_attrs(PULL_ATTRS), doc = "One image."),
        "tool": tag_class(attrs = TOOL_ATTRS, doc = "The program; that of the root module is used."),
    },
)
