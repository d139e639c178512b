"""Check words, sizes and import circles: `python -m tests.lint [words|sizes|circles]...`."""

import sys
from collections.abc import Sequence

from tests.lint import words
from tests.lint.circles import circles, graph
from tests.lint.product import documents, modules
from tests.lint.sizes import STATEMENTS, measure


def check_words() -> list[str]:
    """Return a line for each avoided word in the product and the documents."""
    remarks = [remark for module in modules() for remark in words.in_module(module)]
    remarks += [remark for path, text in documents() for remark in words.in_document(path, text)]
    return [f"{path}:{line}: {found!r}" for path, line, found in remarks]


def check_sizes() -> list[str]:
    """Print the sizes; return a line for each that exceeds its limit."""
    sizes = measure(modules())
    print(
        f"{sizes.statements} statements (at most {STATEMENTS}), median file "
        f"{sizes.file_median:g} lines, 90th percentile of functions {sizes.function_p90:g} lines"
    )
    return sizes.over()


def check_circles() -> list[str]:
    """Return a line for each import circle."""
    return ["import circle: " + ", ".join(group) for group in circles(graph(modules()))]


CHECKS = {"words": check_words, "sizes": check_sizes, "circles": check_circles}


def main(arguments: Sequence[str]) -> int:
    """Run the checks asked for, or all; return 1 if one has a finding."""
    findings = [line for name in arguments or CHECKS for line in CHECKS[name]()]
    print("\n".join(findings) if findings else "lint: no findings")
    return bool(findings)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
