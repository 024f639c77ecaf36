"""The script with which fish completes command lines."""

from __future__ import annotations

from collections.abc import Iterator

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
    words_with_value,
)
from .flags import Flag

_SCRIPT = r"""# fish completion for pyskopeo: put it into ~/.config/fish/completions
function __pyskopeo_at --description 'Whether argument number $argv[1] (from 0) follows, or with + a later one'
    set -l valued @VALUED@
    set -l count (math 0 - (count (string split ' ' -- $argv[2])))
    set -l skip 0
    for word in (commandline -opc)[2..]
        if test $skip = 1
            set skip 0
        else if string match -q -- '--*=*' $word
            continue
        else if string match -q -- '-?*' $word
            contains -- $word $valued; and set skip 1
        else
            set count (math $count + 1)
        end
    end
    test $skip = 0; or return 1
    test $count = $argv[1]; or begin; test "$argv[3]" = +; and test $count -gt $argv[1]; end
end
function __pyskopeo_paths --description 'What $argv[2] finds behind the colon of an image name'
    set -l parts (string split -m 1 : -- $argv[1])
    $argv[2] $parts[2] | string replace -r '^' "$parts[1]:"
end
function __pyskopeo_images
    set -l word (commandline -ct)
    switch $word
        case 'docker://*/*:*'
            set -l program (string replace -r '^~' "$HOME" -- (commandline -opc)[1])
            test (path basename -- $program) = skopeo; and return
            commandline -cp | $program @TAGS@ 2>/dev/null
        case @LOCAL@
            __pyskopeo_paths $word __fish_complete_path
        case '*'
            printf '%s\n' @IMAGES@
    end
end
function __pyskopeo_layouts
    set -l word (commandline -ct)
    if string match -q 'oci:*' -- $word
        __pyskopeo_paths $word __fish_complete_directories
    else
        printf '%s\n' @LAYOUTS@
    end
end
"""


def fish_script(commands: Commands) -> str:
    """Return the script."""
    parts = {
        "VALUED": " ".join(words_with_value(commands)),
        "TAGS": COMPLETE_TAGS,
        "LOCAL": " ".join(f"'{transport}:*'" for transport in local_transports()),
        "IMAGES": " ".join(image_words("images")),
        "LAYOUTS": " ".join(image_words("layouts")),
    }
    script = _SCRIPT
    for name, text in parts.items():
        script = script.replace(f"@{name}@", text)
    lines = "".join(f"    {line}\n" for line in _lines(commands))
    return f"{script}for program in {' '.join(NAMES)}\n{lines}end\n"


def _lines(commands: Commands) -> Iterator[str]:
    program = "$program"
    alone = f"complete -c {program} -n __fish_use_subcommand"
    yield from (f"{alone} -f -a {verb} -d {_quoted(SUMMARIES[verb])}" for verb in verbs(commands))
    yield from (f"complete -c {program} {_flag(flag)}" for flag in shown(GLOBAL))
    described = " ".join((*verbs(commands), *topics()))
    yield f"complete -c {program} -n '__fish_seen_subcommand_from help' -f -a {_quoted(described)}"
    for group, below in groups(commands).items():
        first = f"__fish_seen_subcommand_from {group}; and not __fish_seen_subcommand_from"
        head = f"complete -c {program} -n '{first} {' '.join(map(last_word, below))}'"
        yield from (f"{head} -f -a {last_word(one)} -d {_quoted(one.summary)}" for one in below)
    for command in commands:
        seen = _seen(command, commands)
        yield from (f"complete -c {program} -n '{seen}' {_flag(flag)}" for flag in shown(command.flags))
        for position, kind in enumerate(argument_kinds(command)):
            more = " +" if takes_more(command) and position == len(argument_kinds(command)) - 1 else ""
            at = f'{seen}; and __pyskopeo_at {position} "{command.name}"{more}'
            yield f"complete -c {program} -n '{at}' {_value(kind)}"


def _seen(command: Command[object], commands: Commands) -> str:
    """Return the condition under which a command is on the command line."""
    group, _, _ = command.name.rpartition(" ")
    words = [*([group] if group else []), last_word(command)]
    found = "; and ".join(f"__fish_seen_subcommand_from {word}" for word in words)
    # A sub-command may have the name of a command.
    clash = [one for one, below in groups(commands).items() if not group and command.name in map(last_word, below)]
    return found + "".join(f"; and not __fish_seen_subcommand_from {one}" for one in clash)


def _flag(flag: Flag) -> str:
    short = f" -s {flag.short}" if flag.short else ""
    value = "" if flag.is_boolean else f" -r {_value(flag_kind(flag))}"
    return f"-l {flag.name}{short}{value} -d {_quoted(flag.help)}"


def _value(kind: Kind) -> str:
    """Return what is offered, as options of ``complete``; -f is: no files."""
    if kind.words:
        return f"-f -a {_quoted(' '.join(kind.words))}"
    named = {
        "files": "-F", "directories": "-f -a '(__fish_complete_directories (commandline -ct))'",
        "images": "-f -a '(__pyskopeo_images)'", "layouts": "-f -a '(__pyskopeo_layouts)'",
    }  # fmt: skip
    return named.get(kind.name, "-f")


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
