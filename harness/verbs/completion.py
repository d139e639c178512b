"""joulebird completion SHELL: print a script that completes verbs, options and choices.

bash and zsh: source <(joulebird completion bash); fish: joulebird completion fish | source
"""

import argparse
import shlex
from typing import Dict, Iterable, Iterator, List, Tuple

from joulebird.harness.cli.arguments import Namespace, own
from joulebird.harness.cli.output import put
from joulebird.harness.cli.parser import parser_of
from joulebird.harness.verbs import BOARD_VERBS, HELPERS, VERBS

BASH = """_joulebird() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}}
    local verb=${{COMP_WORDS[1]}} words=
    [[ $verb == board && $COMP_CWORD -gt 2 ]] && verb="board ${{COMP_WORDS[2]}}"
    if [[ $COMP_CWORD -eq 1 ]]; then words={top}
    elif [[ $COMP_CWORD -eq 2 && " help completion board " == *" $verb "* ]]; then
        case $verb in
            help) words={top} ;;
            board) words={board} ;;
            completion) words="bash zsh fish" ;;
        esac
    else
        case "$verb $prev" in
{choices}
            *) [[ $cur == -* ]] && case $verb in
{options}
            esac ;;
        esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
}}
complete -o default -F _joulebird joulebird
"""
SHELLS = ("bash", "zsh", "fish")
ZSH = "autoload -U +X bashcompinit && bashcompinit\n"  # zsh then reads bash's script


ARGUMENTS = (own("shell", choices=SHELLS, help="the shell"), "--output")


def main(args: Namespace) -> int:
    """Print the script."""
    scripts = {"bash": bash, "zsh": lambda: ZSH + bash(), "fish": fish}
    put(scripts[args.shell](), args.output)
    return 0


def actions() -> Iterator[Tuple[str, argparse.Action]]:
    """Give every verb with each of its options."""
    for verb in [
        *(verb for verb in VERBS if verb != "board"),
        *(f"board {v}" for v in BOARD_VERBS),
    ]:
        for action in parser_of(verb)._actions:
            if action.option_strings:
                yield verb, action


def bash() -> str:
    """Return the script for bash."""
    options: Dict[str, List[str]] = {}
    choices = []
    for verb, action in actions():
        options.setdefault(verb, []).extend(action.option_strings)
        if action.choices:
            names = "|".join(shlex.quote(f"{verb} {name}") for name in action.option_strings)
            choices.append(f"            {names}) words={_words(action.choices)} ;;")
    cases = [
        f"                {shlex.quote(verb)}) words={_words(names)} ;;"
        for verb, names in options.items()
    ]
    return BASH.format(
        top=_words([*VERBS, *HELPERS]),
        board=_words(BOARD_VERBS),
        choices="\n".join(choices),
        options="\n".join(cases),
    )


def fish() -> str:
    """Return the script for fish."""
    seen = "__fish_seen_subcommand_from"
    chosen = f"{seen} board; and not {seen} {' '.join(BOARD_VERBS)}"
    words = (
        ("__fish_use_subcommand", VERBS),
        ("__fish_use_subcommand", HELPERS),
        (chosen, BOARD_VERBS),
        (f"{seen} completion", dict.fromkeys(SHELLS, "")),
        (f"{seen} help", VERBS),
    )
    lines = [_fish(when, word, text) for when, texts in words for word, text in texts.items()]
    for verb, action in actions():
        condition = "; and ".join(f"{seen} {word}" for word in verb.split())
        lines.append(f"complete -c joulebird -n {shlex.quote(condition)} {_fish_option(action)}")
    return "\n".join(lines)


def _fish(condition: str, word: str, text: str) -> str:
    return f"complete -c joulebird -n {shlex.quote(condition)} -f -a {word} -d {shlex.quote(text)}"


def _fish_option(action: argparse.Action) -> str:
    """Return the names of an option, and its values."""
    words = [
        ("-l " if name[:2] == "--" else "-s ") + name.lstrip("-") for name in action.option_strings
    ]
    if action.choices:
        words.append("-x -a " + _words(action.choices))
    elif action.nargs != 0:
        words.append("-r")
    return " ".join(words)


def _words(words: Iterable[object]) -> str:
    return shlex.quote(" ".join(str(word) for word in words))
