"""``pyskopeo completion``: scripts with which a shell completes commands, flags and transports."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from ..fast_dataclass import dataclass
from ..transports import TRANSPORTS
from .command import GLOBAL, SUMMARIES, Command, every_command
from .flags import Flag, Parsed, UsageError

Commands = Sequence[Command[object]]

_NAMES = ("pyskopeo", "skopeo")
_OF_IMAGES = frozenset({
    "copy", "delete", "inspect", "layout gc", "layout ls", "layout repair", "layout verify", "list-tags", "tag",
    "verify",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class CompletionOptions:
    """The options of ``completion``. ``shell`` is ``bash``, ``fish`` or ``zsh``."""

    shell: str

    @classmethod
    def of(cls, parsed: Parsed) -> CompletionOptions:
        """Read the options; raises `UsageError`."""
        (shell,) = parsed.arguments
        if shell not in _SHELLS:
            raise UsageError(f"unknown shell {shell!a}: want {', '.join(_SHELLS)}")
        return cls(shell)


def run(options: CompletionOptions) -> int:
    """Print the script."""
    sys.stdout.write(_SHELLS[options.shell](every_command()))
    return 0


def _verbs(commands: Commands) -> list[str]:
    """Return the first words of the commands."""
    return list(dict.fromkeys(command.name.partition(" ")[0] for command in commands))


def _groups(commands: Commands) -> dict[str, list[Command[object]]]:
    """Return the sub-commands of each group, by its name."""
    found: dict[str, list[Command[object]]] = {}
    for command in commands:
        if " " in command.name:
            found.setdefault(command.name.partition(" ")[0], []).append(command)
    return found


def _last_word(command: Command[object]) -> str:
    return command.name.rpartition(" ")[2]


def _shown(flags: Sequence[Flag]) -> list[Flag]:
    return sorted((flag for flag in flags if not flag.hidden), key=lambda flag: flag.name)


def _words(flags: Sequence[Flag]) -> list[str]:
    """Return the flags as they are typed, without ``=``."""
    return [word for flag in _shown(flags) for word in (f"--{flag.name}", *([f"-{flag.short}"] if flag.short else []))]


def _values(commands: Commands) -> list[str]:
    """Return the flags that take the next word as their value."""
    every = {flag.name: flag for command in commands for flag in (*command.flags, *GLOBAL)}
    return _words([flag for flag in every.values() if not flag.is_boolean])


def _images() -> list[str]:
    return [f"{transport}:" + ("//" if transport == "docker" else "") for transport in TRANSPORTS]


def _bash(commands: Commands) -> str:
    cases = "\n".join(
        f"    '{command.name}') words='{' '.join(_words((*command.flags, *GLOBAL)))}' ;;" for command in commands
    )
    groups = _groups(commands)
    verbs = " ".join(_verbs(commands))
    first = "|".join(f":{verb}" for verb in (*_verbs(commands), "help"))
    second = "".join(
        f"\n      {'|'.join(f'{group}:{_last_word(one)}' for one in below)}) verb=\"$verb $word\" ;;"
        for group, below in groups.items()
    )
    below = "".join(
        f"    {group}) COMPREPLY=($(compgen -W '{' '.join(map(_last_word, ones))}' -- \"$cur\")); return ;;\n"
        for group, ones in groups.items()
    )
    return f"""# bash completion for pyskopeo: source it, or put it into the directory of bash-completion
_pyskopeo() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} verb= word words
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case "$verb:$word" in
      {first}) verb=$word ;;{second}
    esac
  done
  COMPREPLY=()
  case " {' '.join(_values(commands))} " in *" $prev "*) COMPREPLY=($(compgen -f -- "$cur")); return ;; esac
  if [[ -z $verb && $cur != -* ]]; then
    COMPREPLY=($(compgen -W "{verbs} help" -- "$cur")); return
  fi
  [[ $cur == -* ]] || case $verb in
{below}    *) ;;
  esac
  case $verb in
{cases}
    *) words='{' '.join(_words(GLOBAL))}' ;;
  esac
  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$words --help" -- "$cur"))
  elif [[ ",{','.join(sorted(_OF_IMAGES))}," == *",$verb,"* ]]; then
    compopt -o nospace 2>/dev/null
    COMPREPLY=($(compgen -W "{' '.join(_images())}" -- "$cur"))
    # bash splits words at colons: what precedes the colon is on the command line already.
    [[ $cur == *:* ]] && declare -F __ltrim_colon_completions >/dev/null && __ltrim_colon_completions "$cur"
  else
    COMPREPLY=($(compgen -f -- "$cur"))
  fi
}}
complete -o default -F _pyskopeo {' '.join(_NAMES)}
"""


def _zsh(commands: Commands) -> str:
    def described(flag: Flag) -> list[str]:
        text = _zsh_quoted(flag.help)
        many = "\\*" if flag.repeat else ""
        value = "" if flag.is_boolean else f":{_zsh_quoted(flag.value or 'VALUE')}:_files"
        ends = "" if flag.is_boolean else "="
        short = [f"'{many}-{flag.short}[{text}]{value}'"] if flag.short else []
        return [f"'{many}--{flag.name}{ends}[{text}]{value}'", *short]

    verbs = "\n".join(f"    '{verb}:{_zsh_quoted(SUMMARIES[verb])}'" for verb in _verbs(commands))
    groups = ""
    for group, ones in _groups(commands).items():
        described_ones = (f"'{_last_word(one)}:{_zsh_quoted(one.summary)}'" for one in ones)
        groups += f"    {group}) below=({' '.join(described_ones)}) ;;\n"
    cases = "\n".join(
        f"    '{command.name}') _arguments -s "
        + " ".join(word for flag in _shown((*command.flags, *GLOBAL)) for word in described(flag))
        + (" '*:image:_pyskopeo_images'" if command.name in _OF_IMAGES else " '*:file:_files'")
        + " ;;"
        for command in commands
    )
    return f"""#compdef {' '.join(_NAMES)}
_pyskopeo_images() {{
  local -a transports=({' '.join(f"'{image}'" for image in _images())})
  compadd -S '' -a transports
}}
_pyskopeo() {{
  local -a verbs=(
{verbs}
  )
  if (( CURRENT == 2 )); then
    _describe command verbs; return
  fi
  local verb=$words[2]
  shift words; (( CURRENT-- ))
  local -a below=()
  case $verb in
{groups}    *) ;;
  esac
  if (( $#below )); then
    if (( CURRENT == 2 )); then
      _describe command below; return
    fi
    verb="$verb $words[2]"
    shift words; (( CURRENT-- ))
  fi
  case $verb in
{cases}
  esac
}}
if [[ $funcstack[1] == _pyskopeo ]]; then _pyskopeo "$@"; else compdef _pyskopeo {' '.join(_NAMES)}; fi
"""


def _zsh_quoted(text: str) -> str:
    for character, written in (("\\", "\\\\"), ("'", "'\\''"), ("[", "\\["), ("]", "\\]"), (":", "\\:")):
        text = text.replace(character, written)
    return text


def _fish(commands: Commands) -> str:
    lines = ["# fish completion for pyskopeo: put it into ~/.config/fish/completions"]
    for name in _NAMES:
        alone = f"complete -c {name} -n __fish_use_subcommand"
        lines += [f"{alone} -f -a {verb} -d {_fish_quoted(SUMMARIES[verb])}" for verb in _verbs(commands)]
        lines += [f"complete -c {name} {_fish_flag(flag)}" for flag in _shown(GLOBAL)]
        for group, below in _groups(commands).items():
            first = f"__fish_seen_subcommand_from {group}; and not __fish_seen_subcommand_from"
            shown = f"complete -c {name} -n '{first} {' '.join(map(_last_word, below))}'"
            lines += [f"{shown} -f -a {_last_word(one)} -d {_fish_quoted(one.summary)}" for one in below]
        for command in commands:
            seen = f"complete -c {name} -n '{_fish_seen(command, commands)}'"
            lines += [f"{seen} {_fish_flag(flag)}" for flag in _shown(command.flags)]
            if command.name in _OF_IMAGES:
                lines.append(f"{seen} -f -a {_fish_quoted(' '.join(_images()))}")
    return "\n".join(lines) + "\n"


def _fish_seen(command: Command[object], commands: Commands) -> str:
    """Return the condition under which a command is on the command line."""
    group, _, _ = command.name.rpartition(" ")
    words = [*([group] if group else []), _last_word(command)]
    groups = _groups(commands)
    found = "; and ".join(f"__fish_seen_subcommand_from {word}" for word in words)
    # A sub-command may have the name of a command.
    clash = [one for one, below in groups.items() if not group and command.name in map(_last_word, below)]
    return found + "".join(f"; and not __fish_seen_subcommand_from {one}" for one in clash)


def _fish_flag(flag: Flag) -> str:
    short = f" -s {flag.short}" if flag.short else ""
    return f"-l {flag.name}{short}{'' if flag.is_boolean else ' -r'} -d {_fish_quoted(flag.help)}"


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


_SHELLS: dict[str, Callable[[Commands], str]] = {"bash": _bash, "fish": _fish, "zsh": _zsh}

COMMAND = Command(
    name="completion",
    arguments="SHELL",
    description=(
        "Print a script with which bash, fish or zsh completes commands, flags and transports, for the\n"
        "program names pyskopeo and skopeo."
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
