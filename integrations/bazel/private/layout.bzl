"""Build rules for OCI layouts: directories, made, completed and scanned without a network."""

load(":launcher.bzl", "PyskopeoInfo", "command_line")

LayoutInfo = provider(
    doc = "An OCI layout with one image.",
    fields = {
        "digest": "the digest of the image's manifest",
        "directory": "the directory, a file",
    },
)

# Arguments: the directory, its index.json, blobs as .../ALGORITHM/DIGEST. Files become clones where the file system can
# make them, else copies. Hard links would be cheaper, but the repository shares its files with the content store, and
# Bazel changes the modes of outputs.
_COPY = """\
set -eu
out=$1
cp -L "$2" "$out/index.json"
echo '{"imageLayoutVersion":"1.0.0"}' >"$out/oci-layout"
shift 2
for blob in "$@"; do
  algorithm=${blob%/*}
  directory=$out/blobs/${algorithm##*/}
  mkdir -p "$directory"
  cp -L --reflink=auto "$blob" "$directory/" 2>/dev/null || cp -L "$blob" "$directory/"
done
"""

def _layout_directory_impl(ctx):
    directory = ctx.actions.declare_directory(ctx.label.name)
    arguments = ctx.actions.args()
    arguments.add(directory.path)
    arguments.add(ctx.file.index)
    arguments.add_all(ctx.files.blobs)
    ctx.actions.run_shell(
        outputs = [directory],
        inputs = [ctx.file.index] + ctx.files.blobs,
        command = _COPY,
        arguments = [arguments],
        mnemonic = "PyskopeoLayout",
        progress_message = "Copying image layout {}".format(ctx.label),
        # To send the blobs elsewhere costs more than to copy them here.
        execution_requirements = {"no-cache": "1", "no-remote": "1"},
    )
    return _providers(ctx, directory, ctx.attr.digest)

layout_directory = rule(
    implementation = _layout_directory_impl,
    attrs = {
        "blobs": attr.label_list(allow_files = True),
        "digest": attr.string(mandatory = True),
        "index": attr.label(allow_single_file = True, mandatory = True),
    },
    doc = "An OCI layout with one image, made of the blobs in a repository.",
    provides = [DefaultInfo, LayoutInfo],
)

def _pyskopeo_assemble_impl(ctx):
    program = ctx.attr._launcher[PyskopeoInfo]
    layout = ctx.attr.layout[LayoutInfo]
    directory = ctx.actions.declare_directory(ctx.label.name)
    words = command_line(program, "path")
    arguments = ctx.actions.args()
    arguments.add_all(words[1:])
    arguments.add_all(["layout", "assemble", "--root", layout.digest, "--out", "oci:" + directory.path])
    for file in [layout.directory] + ctx.files.blobs:
        arguments.add_all(["--from", file.path])
    ctx.actions.run(
        outputs = [directory],
        inputs = depset([layout.directory] + ctx.files.blobs, transitive = [program.files]),
        executable = words[0],
        arguments = [arguments],
        mnemonic = "PyskopeoAssemble",
        progress_message = "Assembling image layout {}".format(ctx.label),
        execution_requirements = {"block-network": "1"},
        use_default_shell_env = True,  # where `python3` is
    )
    return _providers(ctx, directory, layout.digest)

pyskopeo_assemble = rule(
    implementation = _pyskopeo_assemble_impl,
    attrs = {
        "blobs": attr.label_list(
            allow_files = True,
            doc = "What `layout` lacks: blobs in files with any names, and directories with blobs, such as layouts.",
        ),
        "layout": attr.label(
            mandatory = True,
            providers = [LayoutInfo],
            doc = "The image, whose layers may be missing.",
        ),
        "_launcher": attr.label(default = "@pyskopeo_tool//:launcher", providers = [PyskopeoInfo]),
    },
    doc = "A complete OCI layout, made of declared inputs alone. An input that is missing is an error that names it.",
    provides = [DefaultInfo, LayoutInfo],
)

_TEST = """\
#!/bin/sh
set -eu
{verify}
{scan}
"""

def _pyskopeo_layout_test_impl(ctx):
    program = ctx.attr._launcher[PyskopeoInfo]
    layout = ctx.file.layout
    words = command_line(program, "short_path")
    verify = words + ["layout", "verify", "oci:" + layout.short_path]
    scan = []
    runfiles = ctx.runfiles(files = [layout], transitive_files = program.files)
    if ctx.executable.scanner:
        scan = [ctx.executable.scanner.short_path] + [
            argument.replace("{layout}", layout.short_path)
            for argument in ctx.attr.arguments
        ]
        runfiles = runfiles.merge(ctx.runfiles([ctx.executable.scanner]))
        if ctx.attr.scanner[DefaultInfo].default_runfiles:
            runfiles = runfiles.merge(ctx.attr.scanner[DefaultInfo].default_runfiles)
    script = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.write(
        script,
        _TEST.format(verify = _quoted(verify), scan = _quoted(scan)),
        is_executable = True,
    )
    return [
        DefaultInfo(executable = script, runfiles = runfiles),
        testing.ExecutionInfo({"block-network": "1"}),
    ]

pyskopeo_layout_test = rule(
    implementation = _pyskopeo_layout_test_impl,
    attrs = {
        "arguments": attr.string_list(
            default = ["{layout}"],
            doc = "Of the scanner; `{layout}` in them becomes the path of the directory.",
        ),
        "layout": attr.label(
            allow_single_file = True,
            mandatory = True,
            doc = "An OCI layout in a directory.",
        ),
        "scanner": attr.label(
            allow_files = True,
            cfg = "target",
            executable = True,
            doc = "A program that fails if it finds something, such as a vulnerability scanner.",
        ),
        "_launcher": attr.label(default = "@pyskopeo_tool//:launcher", providers = [PyskopeoInfo]),
    },
    doc = "Verifies every byte of a layout, then runs a scanner over it, both without a network.",
    test = True,
)

def _providers(ctx, directory, digest):
    return [
        DefaultInfo(files = depset([directory]), runfiles = ctx.runfiles([directory])),
        LayoutInfo(digest = digest, directory = directory),
    ]

def _quoted(words):
    return " ".join(["'" + word.replace("'", "'\\''") + "'" for word in words])
