"""The script with which zsh completes command lines."""

from __future__ import annotations

from .command import COMPLETE_TAGS, GLOBAL, SUMMARIES, Command
from .completion_kinds import (
    NAMES,
    Commands,
    Kind,
    argument_kinds,
    flag_kind,
    groups,
    image_words,
    last_word,
    local_transports,
    shown,
    takes_more,
    topics,
    verbs,
)
from .flags import Flag

_SCRIPT = r"""#compdef @NAMES@
_pyskopeo_images() {
  case $PREFIX in
    docker://*/*:*)
      [[ ${program:t} == skopeo ]] && return 1
      local -a tags=(${(f)"$(print -r -- "$typed" | ${program/#\~/$HOME} @TAGS@ 2>/dev/null)"})
      compadd -a tags ;;
    @LOCAL@) compset -P 1 '*:'; _files ;;
    *) local -a transports=(@IMAGES@); compadd -S '' -a transports ;;
  esac
}
_pyskopeo_layouts() {
  if [[ $PREFIX == oci:* ]]; then compset -P 1 '*:'; _path_files -/; else compadd -S '' @LAYOUTS@; fi
}
_pyskopeo() {
  local -a verbs=(
@VERBS@
  )
  local program=$words[1] typed="${(j: :)words[1,CURRENT-1]} $PREFIX"
  if (( CURRENT == 2 )); then
    _describe command verbs; return
  fi
  local verb=$words[2]
  shift words; (( CURRENT-- ))
  local -a below=()
  case $verb in
@GROUPS@    help)
      local -a topics=(
@TOPICS@
      )
      _describe command verbs; _describe topic topics; return ;;
    *) ;;
  esac
  if (( $#below )); then
    if (( CURRENT == 2 )); then
      _describe command below; return
    fi
    verb="$verb $words[2]"
    shift words; (( CURRENT-- ))
  fi
  case $verb in
@COMMANDS@
  esac
}
if [[ $funcstack[1] == _pyskopeo ]]; then _pyskopeo "$@"; else compdef _pyskopeo @NAMES@; fi
"""


def zsh_script(commands: Commands) -> str:
    """Return the script."""
    below = ""
    for group, ones in groups(commands).items():
        described = (f"'{last_word(one)}:{_quoted(one.summary)}'" for one in ones)
        below += f"    {group}) below=({' '.join(described)}) ;;\n"
    parts = {
        "NAMES": " ".join(NAMES),
        "TAGS": COMPLETE_TAGS,
        "LOCAL": "|".join(f"{transport}:*" for transport in local_transports()),
        "IMAGES": " ".join(f"'{word}'" for word in image_words("images")),
        "LAYOUTS": " ".join(f"'{word}'" for word in image_words("layouts")),
        "VERBS": "\n".join(f"    '{verb}:{_quoted(SUMMARIES[verb])}'" for verb in verbs(commands)),
        "TOPICS": "\n".join(f"        '{name}:{_quoted(summary)}'" for name, summary in topics().items()),
        "GROUPS": below,
        "COMMANDS": "\n".join(map(_command, commands)),
    }
    script = _SCRIPT
    for name, text in parts.items():
        script = script.replace(f"@{name}@", text)
    return script


def _command(command: Command[object]) -> str:
    words = [word for flag in shown((*command.flags, *GLOBAL)) for word in _flag(flag)]
    return f"    '{command.name}') _arguments -s {' '.join([*words, *_arguments(command)])} ;;"


def _flag(flag: Flag) -> list[str]:
    text = _quoted(flag.help)
    many = "*" if flag.repeat else ""
    value = f":{_quoted(flag.value or 'VALUE')}:{_action(flag_kind(flag))}"
    # What a boolean is set to can only stand behind an equals sign.
    ends, following = ("=-", f":{value}") if flag.is_boolean else ("=", value)
    short = [f"'{many}-{flag.short}[{text}]{'' if flag.is_boolean else value}'"] if flag.short else []
    return [f"'{many}--{flag.name}{ends}[{text}]{following}'", *short]


def _arguments(command: Command[object]) -> list[str]:
    kinds, names = argument_kinds(command), command.arguments.split()
    found = []
    for position, (kind, name) in enumerate(zip(kinds, names, strict=True), 1):
        more = position == len(kinds) and takes_more(command)
        # Two colons: it may be left out.
        colons = "::" if name.startswith("[") and not more else ":"
        found.append(f"'{'*' if more else position}{colons}{_quoted(name.strip('[].'))}:{_action(kind)}'")
    return found


def _action(kind: Kind) -> str:
    if kind.words:
        return f"({' '.join(map(_quoted, kind.words))})"
    named = {
        "files": "_files", "directories": "_path_files -/", "images": "_pyskopeo_images",
        "layouts": "_pyskopeo_layouts",
    }  # fmt: skip
    return named.get(kind.name, " ")


def _quoted(text: str) -> str:
    for character, written in (("\\", "\\\\"), ("'", "'\\''"), ("[", "\\["), ("]", "\\]"), (":", "\\:")):
        text = text.replace(character, written)
    return text
