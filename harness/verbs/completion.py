"""joulebird completion SHELL: print a script that completes verbs, options and choices, made from the parsers.

bash and zsh: source <(joulebird completion bash); fish: joulebird completion fish | source
"""

import argparse
import shlex
from typing import Dict, Iterable, Iterator, List, Tuple

from joulebird.harness.cli.output import put
from joulebird.harness.cli.parsers import parser_of
from joulebird.harness.verbs import BOARD_VERBS, HELPERS, VERBS

BASH = """_joulebird() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} verb=${{COMP_WORDS[1]}} words=
    [[ $verb == board && $COMP_CWORD -gt 2 ]] && verb="board ${{COMP_WORDS[2]}}"
    if [[ $COMP_CWORD -eq 1 ]]; then words={top}
    elif [[ $verb == help || $verb == completion || $verb == board ]] && [[ $COMP_CWORD -eq 2 ]]; then
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
ZSH = "autoload -U +X bashcompinit && bashcompinit\n"  # zsh then reads what bash reads


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `joulebird completion`."""
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell")


def main(args: argparse.Namespace) -> int:
    """Print the script."""
    scripts = {"bash": bash, "zsh": lambda: ZSH + bash(), "fish": fish}
    put(scripts[args.shell]())
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
            cases = "|".join(shlex.quote(f"{verb} {name}") for name in action.option_strings)
            choices.append(f"            {cases}) words={_words(action.choices)} ;;")
    cases = [
        f"                {shlex.quote(v)}) words={_words(names)} ;;"
        for v, names in options.items()
    ]
    return BASH.format(
        top=_words([*VERBS, *HELPERS]),
        board=_words(BOARD_VERBS),
        choices="\n".join(choices),
        options="\n".join(cases),
    )


def fish() -> str:
    """Return the script for fish."""
    lines = [
        f"complete -c joulebird -n __fish_use_subcommand -f -a {verb} -d {shlex.quote(text)}"
        for verb, text in {**VERBS, **HELPERS}.items()
    ]
    seen = "__fish_seen_subcommand_from"
    names = " ".join(BOARD_VERBS)
    lines += [
        f"complete -c joulebird -n '{seen} board; and not {seen} {names}' -f -a {verb} -d {shlex.quote(text)}"
        for verb, text in BOARD_VERBS.items()
    ]
    lines.append(f"complete -c joulebird -n '{seen} completion' -f -a 'bash zsh fish'")
    lines.append(f"complete -c joulebird -n '{seen} help' -f -a {_words(VERBS)}")
    for verb, action in actions():
        condition = "; and ".join(f"{seen} {word}" for word in verb.split())
        flags = " ".join(
            f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"
            for name in action.option_strings
        )
        value = (
            f" -x -a {_words(action.choices)}"
            if action.choices
            else ""
            if action.nargs == 0
            else " -r"
        )
        lines.append(f"complete -c joulebird -n '{condition}' {flags}{value}")
    return "\n".join(lines)


def _words(words: Iterable[object]) -> str:
    return shlex.quote(" ".join(str(word) for word in words))
