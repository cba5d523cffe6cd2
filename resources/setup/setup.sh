#!/bin/sh
# Prepare a clone: Debian packages if they are missing and may be installed, .venv, PyTorch, all dependencies.
# Quick when nothing changed. Never asks a question.
#   PYTHON=python3.12                   the interpreter to build .venv from
#   TORCH_INDEX=URL                     an additional package index to take torch from (see README)
#   NMF_NO_SYSTEM_PACKAGES=1            leave the system's packages alone
set -eu
cd "$(dirname "$0")/../.."

TORCH=torch==2.13.0
VENV=.venv
STAMP=$VENV/set-up.stamp
QT_PACKAGES="xvfb libegl1 libgl1 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-shape0
    libdbus-1-3 libglib2.0-0 libfontconfig1 libgomp1"

say() { printf 'set-up: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

may_be_root() {
    [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null
}

missing_packages() {
    for package in "$@"; do
        state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
        [ "$state" = installed ] || printf '%s ' "$package"
    done
}

install_packages() {
    say "installing $*"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q </dev/null >&2 &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
            -o DPkg::Lock::Timeout=300 "$@" </dev/null >&2
}

# Make the named Debian packages present, or say in one sentence what to install. Fails if any is still missing.
need_packages() {
    command -v dpkg-query >/dev/null 2>&1 || return 0
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    if [ -z "${NMF_NO_SYSTEM_PACKAGES:-}" ] && may_be_root; then
        # shellcheck disable=SC2086
        install_packages $missing && return 0
    fi
    say "please install the missing Debian packages: sudo apt-get install ${missing% }"
    return 1
}

find_python() {
    for python in ${PYTHON:-python3 python3.11 python3.12 python3.13}; do
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s' "$python"
            return 0
        fi
    done
    return 1
}

make_venv() {
    if [ -x $VENV/bin/python ] && $VENV/bin/python -m pip --version >/dev/null 2>&1; then return 0; fi
    python=$(find_python) || fail "Python 3.11 or newer is needed; name one with PYTHON=/path/to/python3."
    if ! "$python" -c 'import ensurepip' 2>/dev/null; then
        need_packages python3-venv || fail "without python3-venv no .venv can be made."
    fi
    say "creating $VENV with $("$python" --version)"
    "$python" -m venv --clear $VENV || fail "$python cannot create $VENV."
}

pip_install() {
    $VENV/bin/python -m pip install --disable-pip-version-check --no-input -q "$@" </dev/null
}

# An NVIDIA driver gets the standard build. Elsewhere the CPU build, which is a tenth of the size, is asked for by
# its local version; where the configured indexes do not offer it, the standard build works as well.
install_torch() {
    set -- -c constraints.txt
    if [ -n "${TORCH_INDEX:-}" ]; then set -- "$@" --extra-index-url "$TORCH_INDEX"; fi
    if nvidia-smi >/dev/null 2>&1; then
        say "installing $TORCH for the NVIDIA driver found"
        pip_install "$@" $TORCH
    else
        say "installing $TORCH for the CPU"
        pip_install "$@" $TORCH+cpu 2>/dev/null || install_standard_torch "$@"
    fi
}

install_standard_torch() {
    if [ "$(uname -s)" = Linux ]; then
        say "no CPU build of torch on the package index: taking the standard one (gigabytes; README tells how to avoid it)"
    fi
    pip_install "$@" $TORCH
}

fingerprint() {
    { pwd; cat pyproject.toml setup.py constraints.txt resources/setup/setup.sh; } | cksum
}

install_all() {
    make_venv
    rm -f $STAMP
    install_torch || fail "torch could not be installed; the lines above say why."
    say "installing the other dependencies (a minute or two)"
    pip_install -c constraints.txt -e ".[photo,train,dev]" ||
        fail "the dependencies could not be installed; the lines above say why."
    say "compiling the fit for this processor"
    .venv/bin/python -m nmf_model.fitting.compiled || true
    fingerprint >$STAMP
    say "done"
}

# The libraries are for windows and drawing: without them everything else still works, so go on.
# shellcheck disable=SC2086
need_packages $QT_PACKAGES || true
if [ ! -f $STAMP ] || [ "$(cat $STAMP)" != "$(fingerprint)" ]; then install_all; fi
