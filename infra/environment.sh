# Sourced by ./infra/demo and ./infra/test: finds Python and makes the virtual environment in .venv.
# POSIX sh; sets $python to the environment's interpreter. Run from the project root.

say() { printf '%s\n' "$*" >&2; }

is_recent_python() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
        if is_recent_python "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    say "Python 3.11 or later was not found (looked for python3, python3.11 to python3.14): install it, or name it in PYTHON."
    return 1
}

create_environment() {
    base=$(find_python) || return 1
    # Debian's Python comes without the part that makes virtual environments.
    if ! "$base" -c 'import ensurepip, venv' 2>/dev/null; then
        if [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ]; then
            say "Installing python3-venv with apt-get …"
            apt_install python3-venv || { say "apt-get could not install python3-venv."; return 1; }
        else
            say "$base cannot make virtual environments: install its venv part (Debian: python3-venv)."
            return 1
        fi
    fi
    "$base" -m venv --clear .venv
}

apt_install() {
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y --no-install-recommends "$@" >/dev/null 2>&1 && return
    apt-get update >/dev/null 2>&1
    apt-get install -y --no-install-recommends "$@" >&2
}

# Makes .venv, or brings it up to date when requirements.txt has changed since.
prepare_environment() {
    python=$PWD/.venv/bin/python
    stamp=.venv/requirements.txt
    is_recent_python "$python" || create_environment || exit 1
    if ! cmp -s requirements.txt "$stamp"; then
        say "Installing what requirements.txt lists into .venv …"
        "$python" -m pip install --quiet --quiet --disable-pip-version-check --requirement requirements.txt >&2 || {
            say "pip could not install requirements.txt: see above."
            exit 1
        }
        # Written last: an installation that was cut short is begun again.
        cp requirements.txt "$stamp"
    fi
}
