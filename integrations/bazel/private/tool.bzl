"""`pyskopeo_tool`: a repository with the program, one file that is pinned by its hash."""

load("//:versions.bzl", "PYSKOPEO_VERSIONS")

_BUILD = """\
load("{launcher}", "pyskopeo_launcher")

package(default_visibility = ["//visibility:public"])

exports_files(["{file}"])

pyskopeo_launcher(
    name = "launcher",
    file = "{file}",
    python = {python},
)
"""

TOOL_ATTRS = {
    "executable": attr.bool(
        doc = "The file is the executable for Linux, which needs no Python, and not the .pyz.",
    ),
    "file": attr.label(
        allow_single_file = True,
        doc = "The program as a file of a workspace, in place of `urls`.",
    ),
    "integrity": attr.string(
        doc = "The file's hash, `sha256-...`. Default: that of the file of this name in versions.bzl.",
    ),
    "python": attr.label(
        allow_single_file = True,
        doc = "The interpreter for the .pyz, Python 3.11 or newer. Default: the newest `python3` in PATH.",
    ),
    "urls": attr.string_list(
        doc = "Where the file is; `{version}` in it becomes `version`.",
    ),
    "version": attr.string(
        doc = "The version of the program.",
    ),
}

def _pyskopeo_tool_impl(rctx):
    name = "pyskopeo" if rctx.attr.executable else "pyskopeo.pyz"
    if rctx.attr.file:
        rctx.symlink(rctx.path(rctx.attr.file), name)
    else:
        rctx.download(
            url = [url.replace("{version}", rctx.attr.version) for url in rctx.attr.urls],
            output = name,
            executable = True,
            integrity = rctx.attr.integrity or _known_integrity(rctx),
        )
    rctx.file("BUILD.bazel", _BUILD.format(
        file = name,
        launcher = str(Label("//private:launcher.bzl")),
        python = repr(str(rctx.attr.python)) if rctx.attr.python else None,
    ))
    if hasattr(rctx, "repo_metadata"):
        # A link into the workspace is no content that could be kept for others.
        return rctx.repo_metadata(reproducible = not rctx.attr.file)
    return None

def _known_integrity(rctx):
    """Returns the hash of a released file; fails if it is not known."""
    if not rctx.attr.urls:
        fail("pyskopeo_tool: want `urls` and `integrity`, or `file`")
    file = rctx.attr.urls[0].replace("{version}", rctx.attr.version).rpartition("/")[2]
    integrity = PYSKOPEO_VERSIONS.get(rctx.attr.version, {}).get(file)
    if not integrity:
        fail("pyskopeo_tool: versions.bzl has no hash of {} for version {}: set `integrity`".format(
            file,
            repr(rctx.attr.version),
        ))
    return integrity

pyskopeo_tool = repository_rule(
    implementation = _pyskopeo_tool_impl,
    attrs = TOOL_ATTRS,
    doc = "The program that the other rules run, as `@pyskopeo_tool//:pyskopeo.pyz`.",
)
