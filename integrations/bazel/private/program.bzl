"""How repository rules run the program."""

PROGRAM_ATTRS = {
    "auth_file": attr.label(
        allow_single_file = True,
        doc = "The only file to read credentials from. Default: as in a shell, $REGISTRY_AUTH_FILE, else those of " +
              "podman and Docker, with $DOCKER_CONFIG and their credential helpers.",
    ),
    "credential_helpers": attr.string_list(
        doc = "Programs with Bazel's credential helper protocol, `[PATTERN=]PATH`.",
    ),
    "environment": attr.string_dict(
        doc = "Variables to set, besides those of Bazel's client and --repo_env.",
    ),
    "flags": attr.string_list(
        doc = "Further flags about the network, such as `--limit-rate=10M`, for every command that is run.",
    ),
    "python": attr.label(
        allow_single_file = True,
        doc = "The interpreter for the .pyz, Python 3.11 or newer. Default: the first such `python3` in PATH.",
    ),
    "store": attr.string(
        doc = "Directory where everything that was fetched is kept, also when Bazel ends a fetch. Default: " +
              "$PYSKOPEO_STORE, else pyskopeo/store in the user's cache directory.",
    ),
    "timeout": attr.int(
        default = 600,
        doc = "Seconds after which a fetch is ended. The next one continues it.",
    ),
    "tls_verify": attr.bool(
        default = True,
        doc = "False: allow registries without HTTPS or with certificates that cannot be verified.",
    ),
    "tool": attr.label(
        allow_single_file = True,
        default = "@pyskopeo_tool//:pyskopeo.pyz",
        doc = "The program: the .pyz, or the executable for Linux.",
    ),
}

_PYTHONS = ["python3", "python3.14", "python3.13", "python3.12", "python3.11"]

def apparent_name(rctx):
    """Returns the name that the user gave to a repository, for messages; with modules, its own name has those of others."""
    return rctx.attr.name.replace("+", "~").rpartition("~")[2]

def new_program(rctx):
    """Returns the program as the attributes of a repository rule say: a struct for `run`."""
    tool = rctx.path(rctx.attr.tool)
    command = [tool]
    if tool.basename.endswith(".pyz"):
        python = rctx.path(rctx.attr.python) if rctx.attr.python else _find_python(rctx)
        command = [python, "-I", "-S", tool]
    store = _store(rctx)
    flags = ["--store=" + store] if store else []
    return struct(command = command, store = store, store_flags = flags)

def network_flags(rctx, side = ""):
    """Returns the flags for access to registries.

    Args:
      rctx: the context of a rule with PROGRAM_ATTRS
      side: the prefix of flags that are about one side of a copy, such as "src-"
    """
    flags = ["--credential-helper=" + helper for helper in rctx.attr.credential_helpers]
    if rctx.attr.auth_file:
        flags.append("--authfile={}".format(rctx.path(rctx.attr.auth_file)))
    if not rctx.attr.tls_verify:
        flags.append("--{}tls-verify=false".format(side))
    return flags + rctx.attr.flags

def run(rctx, program, words, what):
    """Runs the program in the repository's directory and returns its standard output; fails as it does.

    Args:
      rctx: the context of a rule with PROGRAM_ATTRS
      program: what `new_program` returned
      words: the command, flags and arguments
      what: what is done, for errors
    """
    done = rctx.execute(
        program.command + words,
        # What a build fetches does not depend on the configuration file of its user.
        environment = dict([("PYSKOPEO_CONFIG", "")] + rctx.attr.environment.items()),
        timeout = rctx.attr.timeout,
    )
    if done.return_code == 0:
        return done.stdout
    if done.return_code == _TIMED_OUT:
        kept = "run the build again to continue" if program.store else "nothing was kept, since there is no store"
        fail("{}: not done in {} seconds: {}, or set a larger `timeout`\n{}".format(
            what,
            rctx.attr.timeout,
            kept,
            done.stderr,
        ))
    fail("{}: {}".format(what, done.stderr or "exit code {}".format(done.return_code)))

# What Bazel reports for a process that it has ended.
_TIMED_OUT = 256

def _find_python(rctx):
    for name in _PYTHONS:
        python = rctx.which(name)
        if python and rctx.execute([python, "-I", "-S", "-c", _IS_NEW]).return_code == 0:
            return python
    fail("pyskopeo needs Python 3.11 or newer, and there is none in PATH: set `python`, or use the executable for Linux")

_IS_NEW = "import sys; sys.exit(sys.version_info < (3, 11))"

def _store(rctx):
    """Returns the directory of the content store, None if there is no place for one."""
    environ = rctx.os.environ
    if rctx.attr.store or environ.get("PYSKOPEO_STORE"):
        return rctx.attr.store or environ["PYSKOPEO_STORE"]
    if environ.get("XDG_CACHE_HOME"):
        return environ["XDG_CACHE_HOME"] + "/pyskopeo/store"
    if environ.get("HOME"):
        return environ["HOME"] + "/.cache/pyskopeo/store"
    return None
