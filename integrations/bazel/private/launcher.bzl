"""How build actions and tests run the program."""

PyskopeoInfo = provider(
    doc = "The program.",
    fields = {
        "file": "the .pyz, or the executable for Linux",
        "files": "depset of all files that running it needs",
        "python": "the interpreter for the .pyz, a file; None: `python3` in PATH",
    },
)

def _pyskopeo_launcher_impl(ctx):
    files = [ctx.file.file] + ([ctx.file.python] if ctx.file.python else [])
    return [
        DefaultInfo(files = depset([ctx.file.file])),
        PyskopeoInfo(file = ctx.file.file, files = depset(files), python = ctx.file.python),
    ]

pyskopeo_launcher = rule(
    implementation = _pyskopeo_launcher_impl,
    attrs = {
        "file": attr.label(allow_single_file = True, mandatory = True),
        "python": attr.label(allow_single_file = True),
    },
)

def command_line(info, attribute):
    """Returns the words that run the program.

    Args:
      info: a PyskopeoInfo
      attribute: of a file, the path where the command runs: "path" in an action, "short_path" in a test
    """
    file = getattr(info.file, attribute)
    if not file.endswith(".pyz"):
        return [file]
    python = [getattr(info.python, attribute)] if info.python else ["/usr/bin/env", "python3"]
    return python + ["-I", "-S", file]
