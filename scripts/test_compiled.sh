#!/usr/bin/env bash
# Runs the unit and conformance tests against the installed, compiled wheel, in a copy of the tests that holds no rmq
# package of its own, so that `import rmq` can only mean the installed one (tests/unit/test_build_info.py asserts it).
set -euo pipefail
cd "$(dirname "$0")/.."

python="$PWD/.venv-compiled/bin/python"
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
tar --create --exclude=node_modules --exclude=__pycache__ tests scripts pyproject.toml etc docs README.md |
    tar --extract --directory "$copy"
cd "$copy"

export RMQ_EXPECT_COMPILED=1       # tests/unit/test_build_info.py fails where a hot module is interpreted
export RMQ_TEST_PYTHON="$python"   # the interpreter that starts nodes for conformance tests
unset PYTHONPATH
"$python" -P -m pytest -p no:cacheprovider tests/unit tests/conformance "$@"
