#!/bin/sh
# Prepares a checkout: `bootstrap.sh run` installs what a run needs, `bootstrap.sh extras` what the extras need as well,
# `bootstrap.sh dev` what tests and checks need,
# `bootstrap.sh browser` a Chromium for the browser tests, `bootstrap.sh prometheus` Debian's Prometheus for those of its rules;
# `bootstrap.sh mosquitto` Debian's MQTT broker; `bootstrap.sh postgres` its PostgreSQL, for the extra;
# `bootstrap.sh peers` the libraries that benchmarks compare with, apart from ours; `bootstrap.sh lock` holds uv.lock to pyproject.toml.
# What is there already costs no request.
set -eu
cd "$(dirname "$0")/.."

UV_VERSION=0.13.9
environment=.venv
tools=.veilocity/uv

fail() {
  echo "veilocity: $*" >&2
  exit 1
}

find_python() {
  for candidate in "${PYTHON:-}" python3.13 python3.12 python3.11 python3; do
    if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  found=$(python3 --version 2>/dev/null || echo "no Python 3")
  fail "Python 3.11, 3.12 or 3.13 is needed, and $found was found: install one, for example \`apt install python3.11 python3.11-venv\`," \
    "or name it by \`make PYTHON=/path/to/python3.11 ...\`"
}

make_environment() {
  # A Python that was upgraded or removed leaves an environment that starts nothing.
  if [ -e "$1/bin/python" ] && "$1/bin/python" -c '' 2>/dev/null; then
    return
  fi
  python=$(find_python)
  rm -rf "$1"
  "$python" -m venv $2 "$1" >/dev/null 2>&1 ||
    fail "$python cannot make virtual environments: install its venv module, for example \`apt install python3-venv\`, and start again"
}

install_uv() {
  if [ "$("$tools/bin/uv" --version 2>/dev/null | cut -d ' ' -f 2)" != "$UV_VERSION" ]; then
    echo "Installing uv $UV_VERSION into $tools."
    make_environment "$tools" ""
    "$tools/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary=:all: "uv==$UV_VERSION" ||
      fail "uv could not be installed from the Python package index: check the connection and start again"
  fi
}

install() {
  group=$1
  # What is installed for development is enough for the extras, and that for a run.
  stamp=$(cat uv.lock pyproject.toml | cksum)
  if [ -x "$environment/bin/veilocity" ]; then
    [ "$(cat "$environment/installed-dev" 2>/dev/null)" != "$stamp" ] || return 0
    [ "$group" = dev ] || [ "$(cat "$environment/installed-extras" 2>/dev/null)" != "$stamp" ] || return 0
    [ "$group" != run ] || [ "$(cat "$environment/installed-run" 2>/dev/null)" != "$stamp" ] || return 0
  fi
  # What somebody asked for once stays.
  [ "$group" != run ] || [ ! -e "$environment/installed-extras" ] || group=extras
  [ ! -e "$environment/installed-dev" ] || group=dev
  make_environment "$environment" --without-pip
  install_uv
  echo "Installing what uv.lock pins into $environment."
  # A user without a home folder has no cache folder either.
  [ -n "${HOME:-}" ] || export UV_CACHE_DIR=.veilocity/uv-cache
  # The operating system's certificates count, as they do for its other programs; no other Python is downloaded.
  export UV_SYSTEM_CERTS=1 UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT="$environment"
  case $group in
    dev) groups=--dev ;;
    extras) groups="--no-dev --all-extras" ;;
    *) groups=--no-dev ;;
  esac
  # shellcheck disable=SC2086  # several options
  "$tools/bin/uv" sync --quiet --locked $groups --python "$environment/bin/python" ||
    fail "the pinned packages could not be installed: read the lines above, check the connection and start again"
  echo "$stamp" >"$environment/installed-$group"
}

check_lock() {
  install_uv
  "$tools/bin/uv" lock --check --quiet --system-certs --no-python-downloads --python "$environment/bin/python" ||
    fail "uv.lock does not fit pyproject.toml: run \`$tools/bin/uv lock\` and commit both"
}

install_peers() {
  stamp=$(cksum <benchmarks/peers/requirements.txt)
  peers=.veilocity/peers
  [ "$(cat "$peers/installed" 2>/dev/null)" != "$stamp" ] || return 0
  install_uv
  make_environment "$peers" --without-pip
  echo "Installing the peers of the benchmarks into $peers."
  "$tools/bin/uv" pip install --quiet --system-certs --python "$peers/bin/python" --requirement benchmarks/peers/requirements.txt ||
    fail "the peers could not be installed: read the lines above, check the connection and start again"
  echo "$stamp" >"$peers/installed"
}

install_browser() {
  for program in chromium chromium-browser google-chrome google-chrome-stable chrome; do
    ! command -v "$program" >/dev/null || return 0
  done
  [ ! -x "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" ] || return 0
  as_root=
  if [ "$(id -u)" != 0 ]; then
    as_root="sudo -n"
    sudo -n true 2>/dev/null || as_root=none
  fi
  if [ "$as_root" = none ] || ! command -v apt-get >/dev/null; then
    echo "veilocity: no Chromium was found and none can be installed here: install it to run the browser tests as well." >&2
    return 0
  fi
  echo "Installing Chromium for the browser tests."
  { $as_root apt-get update -qq && $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; } >/dev/null ||
    echo "veilocity: Chromium could not be installed: install it by hand to run the browser tests as well." >&2
}

# Puts a package of Debian's into the cache: unpacked and not installed, so it needs no rights and starts no service. apt verifies what it downloads.
# Its name here (fetch_NAME downloads and unpacks it), its title, a path that is there when it is complete, what to say, and what it is for.
unpack_from_debian() {
  # The same cache as devstack/install.py has.
  cache=${VEILOCITY_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}}
  [ -n "${VEILOCITY_CACHE_DIR:-}" ] || cache=${cache:+$cache/veilocity}
  cache=${cache:-.veilocity/cache}
  home=$cache/$1
  [ ! -x "$home/$3" ] || return 0
  if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
    echo "veilocity: no $2 was found and none can be fetched here: install it $5." >&2
    return 0
  fi
  echo "$4"
  mkdir -p "$cache"
  part=$(mktemp -d "$cache/$1.XXXXXX")
  # A fresh system knows no packages yet, and only root may change that.
  if "fetch_$1" "$part" || { [ "$(id -u)" = 0 ] && apt-get update -qq >/dev/null && "fetch_$1" "$part"; }; then
    mv -T "$part/unpacked" "$home" 2>/dev/null || [ -x "$home/$3" ] || fail "$home cannot be written: remove it"
  else
    echo "veilocity: $2 could not be fetched: run apt-get update, or install it by hand, $5." >&2
  fi
  rm -rf "$part"
}

fetch_prometheus() {
  (cd "$1" && apt-get download -qq prometheus && dpkg-deb -x prometheus_*.deb unpacked) >/dev/null 2>&1
}

install_prometheus() {
  ! { command -v promtool && command -v prometheus; } >/dev/null || return 0
  unpack_from_debian prometheus Prometheus usr/bin/promtool "Fetching Prometheus for the tests of its rules." "to test its rules as well"
}

fetch_mosquitto() {
  (
    cd "$1"
    # What a small system lacks of what it is linked with.
    needed=$(apt-cache depends mosquitto | sed -n 's/^ *Depends: \(lib\(cjson\|dlt\|websockets\|mosquitto\|wrap\)[^ ]*\)$/\1/p')
    # shellcheck disable=SC2086  # several names
    apt-get download -qq mosquitto $needed
    for package in *.deb; do dpkg-deb -x "$package" unpacked; done
  ) >/dev/null 2>&1
}

install_mosquitto() {
  [ ! -x /usr/sbin/mosquitto ] && ! command -v mosquitto >/dev/null || return 0
  unpack_from_debian mosquitto Mosquitto usr/sbin/mosquitto "Fetching Mosquitto for phones that publish over MQTT." "to let phones publish over MQTT"
}

fetch_postgres() {
  (
    cd "$1"
    version=$(apt-cache depends postgresql | sed -n 's/^ *Depends: \(postgresql-[0-9]*\)$/\1/p')
    # What a small system lacks of what it is linked with.
    needed=$(apt-cache depends "$version" | sed -n 's/^ *Depends: \(lib[^ ]*\)$/\1/p' | grep -v '^libc6$')
    # shellcheck disable=SC2086  # several names
    apt-get download -qq "$version" $needed
    for package in *.deb; do dpkg-deb -x "$package" unpacked; done
  ) >/dev/null 2>&1
}

install_postgres() {
  ! command -v initdb >/dev/null || return 0
  for program in /usr/lib/postgresql/*/bin/initdb; do
    [ ! -x "$program" ] || return 0
  done
  unpack_from_debian postgres PostgreSQL usr/lib/postgresql "Fetching PostgreSQL for its extra." "to use the extra"
}

case "${1:-}" in
  run | extras | dev) install "$1" ;;
  browser) install_browser ;;
  prometheus) install_prometheus ;;
  mosquitto) install_mosquitto ;;
  postgres) install_postgres ;;
  peers) install_peers ;;
  lock) check_lock ;;
  *) fail "usage: bootstrap.sh run|extras|dev|browser|prometheus|mosquitto|postgres|peers|lock" ;;
esac
