"""``pyskopeo completion``: scripts with which a shell completes commands, flags and their values, and image names."""

from __future__ import annotations

import sys

from ..fast_dataclass import dataclass
from .command import Command, every_command
from .completion_kinds import SHELLS
from .flags import Parsed, UsageError


@dataclass(frozen=True, slots=True)
class CompletionOptions:
    """The options of ``completion``. ``shell`` is ``bash``, ``fish`` or ``zsh``."""

    shell: str

    @classmethod
    def of(cls, parsed: Parsed) -> CompletionOptions:
        """Read the options; raises `UsageError`."""
        (shell,) = parsed.arguments
        if shell not in SHELLS:
            raise UsageError(f"unknown shell {shell!a}: want {', '.join(SHELLS)}")
        return cls(shell)


def run(options: CompletionOptions) -> int:
    """Print the script."""
    from .completion_bash import bash_script
    from .completion_fish import fish_script
    from .completion_zsh import zsh_script

    scripts = {"bash": bash_script, "fish": fish_script, "zsh": zsh_script}
    sys.stdout.write(scripts[options.shell](every_command()))
    return 0


COMMAND = Command(
    name="completion",
    arguments="SHELL",
    description=(
        "Print a script with which bash, fish or zsh completes commands, flags and their values, transports\n"
        "and files, for the program names pyskopeo and skopeo.\n\n"
        "Behind docker://HOST/REPOSITORY: pyskopeo asks the registry for tags, as the command would reach it: by\n"
        "one request for up to 1000 tags, for at most 2 seconds. Without an answer nothing is offered."
    ),
    examples=(
        "pyskopeo completion bash > ~/.local/share/bash-completion/completions/pyskopeo",
        "pyskopeo completion fish > ~/.config/fish/completions/pyskopeo.fish",
        'pyskopeo completion zsh > "${fpath[1]}/_pyskopeo"',
    ),
    flags=(),
    read=CompletionOptions.of,
    run=run,
)
