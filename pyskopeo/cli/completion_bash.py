"""The script with which bash completes command lines."""

from __future__ import annotations

from .command import COMPLETE_TAGS, GLOBAL, Command
from .completion_kinds import (
    NAMES,
    Commands,
    Kind,
    argument_kinds,
    groups,
    image_words,
    kinds_of_flags,
    last_word,
    local_transports,
    takes_more,
    topics,
    verbs,
    words_of,
    words_with_value,
)

_SCRIPT = r"""# bash completion for pyskopeo: source it, or put it into the directory of bash-completion
_pyskopeo() {
  local line=${COMP_LINE:0:COMP_POINT} cur word verb= flag= value kind reply skip=
  local -a words=() reply=()
  local -i count=0
  # bash has split words at colons and equals signs: they are put together again.
  if [[ -n $COMP_LINE ]]; then read -ra words <<< "$line"; else words=("${COMP_WORDS[@]:0:COMP_CWORD+1}"); fi
  [[ -n $COMP_LINE && $line == *[[:space:]] ]] && words+=('')
  cur=${words[${#words[@]}-1]}
  local valued=' @VALUED@ '
  for word in "${words[@]:1:${#words[@]}-2}"; do
    if [[ -n $skip ]]; then skip=; continue; fi
    case "$verb:$word" in
      @FIRST@) verb=$word ;;@SECOND@
      *:--*=*) ;;
      *:-?*) [[ $valued == *" $word "* ]] && skip=$word ;;
      *) count+=1 ;;
    esac
  done
  COMPREPLY=()
  if [[ -n $skip ]]; then flag=$skip value=$cur
  elif [[ $cur == --*=* ]]; then flag=${cur%%=*} value=${cur#*=}
  fi
  if [[ -n $flag ]]; then
    case "$verb $flag" in
@FLAGS@
      *) kind= ;;
    esac
  elif [[ $cur == -* ]]; then
    case $verb in
@WORDS@
      *) kind='=@GLOBAL@ --help' ;;
    esac
    value=$cur
  else
    case "$verb:$count" in
      :*) kind='=@VERBS@ help' ;;
@ARGUMENTS@
      *) kind= ;;
    esac
    value=$cur
  fi
  case $kind in
    =*) reply=($(compgen -W "${kind#=}" -- "$value")) ;;
    files) _pyskopeo_files -f "$value" ;;
    directories) _pyskopeo_files -d "$value" ;;
    images|layouts) _pyskopeo_images ;;
  esac
  [[ -n $flag && $cur == --*=* ]] && reply=("${reply[@]/#/$flag=}")
  # What precedes the last of the characters at which bash splits words is on the command line already.
  local before= breaks=
  [[ $COMP_WORDBREAKS == *:* ]] && breaks+=:
  [[ $COMP_WORDBREAKS == *=* ]] && breaks+==
  [[ -n $COMP_LINE && -n $breaks && $cur == *[$breaks]* ]] && before=${cur%"${cur##*[$breaks]}"}
  for word in "${reply[@]}"; do COMPREPLY+=("${word#"$before"}"); done
}
_pyskopeo_files() {
  compopt -o filenames 2>/dev/null
  local IFS=$'\n'
  reply=($(compgen "$1" -- "$2"))
}
_pyskopeo_images() {
  local name=${words[0]/#\~/$HOME}
  case $value in
    docker://*/*:*)
      [[ ${name##*/} == skopeo ]] && return
      local IFS=$'\n'
      reply=($("$name" @TAGS@ 2>/dev/null <<< "$line")) ;;
    @LOCAL@)
      word=-f
      [[ $kind == layouts ]] && word=-d
      _pyskopeo_files $word "${value#*:}"
      reply=("${reply[@]/#/${value%%:*}:}") ;;
    *)
      compopt -o nospace 2>/dev/null
      local offered='@IMAGES@'
      [[ $kind == layouts ]] && offered='@LAYOUTS@'
      reply=($(compgen -W "$offered" -- "$value")) ;;
  esac
}
complete -F _pyskopeo @NAMES@
"""


def bash_script(commands: Commands) -> str:
    """Return the script."""
    below = groups(commands)
    first = "|".join(f":{verb}" for verb in (*verbs(commands), "help"))
    second = "".join(
        f"\n      {'|'.join(f'{group}:{last_word(one)}' for one in ones)}) verb=\"$verb $word\" ;;"
        for group, ones in below.items()
    )
    parts = {
        "VALUED": " ".join(words_with_value(commands)),
        "FIRST": first,
        "SECOND": second,
        "FLAGS": _flag_cases(commands),
        "WORDS": "\n".join(
            f"      '{command.name}') kind='={' '.join(words_of((*command.flags, *GLOBAL)))} --help' ;;"
            for command in commands
        ),
        "GLOBAL": " ".join(words_of(GLOBAL)),
        "VERBS": " ".join(verbs(commands)),
        "ARGUMENTS": "\n".join(
            [f"      {group}:*) kind='={' '.join(map(last_word, ones))}' ;;" for group, ones in below.items()]
            + [f"      help:*) kind='={' '.join((*verbs(commands), *topics()))}' ;;"]
            + [line for command in commands for line in _argument_cases(command)]
        ),
        "TAGS": COMPLETE_TAGS,
        "LOCAL": "|".join(f"{transport}:*" for transport in local_transports()),
        "IMAGES": " ".join(image_words("images")),
        "LAYOUTS": " ".join(image_words("layouts")),
        "NAMES": " ".join(NAMES),
    }
    script = _SCRIPT
    for name, text in parts.items():
        script = script.replace(f"@{name}@", text)
    return script


def _written(kind: Kind) -> str:
    return f"={' '.join(kind.words)}" if kind.words else kind.name


def _flag_cases(commands: Commands) -> str:
    """Return the cases for values of flags, those together that have the same kind."""
    patterns: dict[str, list[str]] = {}
    for (command, word), kind in kinds_of_flags(commands).items():
        if written := _written(kind):
            patterns.setdefault(written, []).append(f"'{command} {word}'" if command else f"*' {word}'")
    return "\n".join(f"      {'|'.join(ones)}) kind='{written}' ;;" for written, ones in patterns.items())


def _argument_cases(command: Command[object]) -> list[str]:
    kinds = argument_kinds(command)
    lines = [
        f"      '{command.name}:{position}') kind='{_written(kind)}' ;;"
        for position, kind in enumerate(kinds) if _written(kind)
    ]  # fmt: skip
    if kinds and takes_more(command) and _written(kinds[-1]):
        lines.append(f"      '{command.name}:'*) kind='{_written(kinds[-1])}' ;;")
    return lines


