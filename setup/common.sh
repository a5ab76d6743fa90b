# Shared by quickstart and check: bring in what is missing, configure, build. Sourced, never run.
# The caller has set `root` to the repository and `set -euo pipefail`.
# shellcheck shell=bash disable=SC2154

export LC_ALL=C.UTF-8
export HOME="${HOME:-$(cd ~ 2>/dev/null && pwd || echo /tmp)}"

# A heading, with the time since the script began.
say() { printf '\n== %s  [%d:%02d]\n' "$*" $((SECONDS / 60)) $((SECONDS % 60)); }

# give_up "what is wrong" "what to do about it"...
give_up() {
  {
    printf '\n%s: %s\n' "$(basename "$0")" "$1"
    shift
    for line in "$@"; do printf '  %s\n' "$line"; done
  } >&2
  exit 1
}

packages_in() { sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$root/setup/$1"; }

# What is needed, with peers=yes what the benchmark compares with, with python=yes what Python takes.
wanted_packages() {
  packages_in packages
  [ "${peers:-no}" = no ] || packages_in peers
  [ "${python:-no}" = no ] || packages_in python
}

# Not grep -q, which leaves at the first match: what then still writes dies of it, and with pipefail
# the package that is there counts as missing.
apt_has() { apt-cache policy "$1" 2>/dev/null | grep '^ *Candidate: [^(]' >/dev/null; }

missing_packages() {
  local package
  for package in $(wanted_packages); do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
      printf '%s ' "$package"
  done
}

# Prints the distribution's name; returns whether it is one that the package list was written for.
supported_distribution() {
  (
    ID=unknown VERSION_ID='' PRETTY_NAME=''
    [ ! -r /etc/os-release ] || . /etc/os-release
    printf '%s' "${PRETTY_NAME:-$ID $VERSION_ID}"
    [ "$ID" = debian ] && { [ "$VERSION_ID" = 12 ] || [ "$VERSION_ID" = 13 ]; }
  )
}

# Installs the packages that are missing, and nothing at all where none is.
install_packages() {
  local name supported=yes missing package found=
  name=$(supported_distribution) || supported=no
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    give_up "packages are installed on Debian 12 and 13; this is $name, without apt" \
      "Install these, under the names your system has for them (LLVM must be version 19):" \
      "$(wanted_packages | xargs)" \
      "and run $(basename "$0") --no-packages, which leaves packages alone."
  fi
  missing=$(missing_packages)
  [ -n "$missing" ] || return 0
  say "Installing packages: $missing"
  [ "$supported" = yes ] ||
    echo "This is $name, on which Volute is not tested (Debian 12 and 13 are); trying all the same."

  local as_root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null ||
      give_up "packages are missing, and there is neither root nor sudo to install them" \
        "As root, run: apt-get install --no-install-recommends $missing" \
        "and then $(basename "$0") again."
    if ! sudo -n true 2>/dev/null && ! [ -t 0 ]; then
      give_up "packages are missing, and sudo asks for a password but there is no terminal" \
        "Run $(basename "$0") in a terminal, or as root run:" \
        "apt-get install --no-install-recommends $missing"
    fi
    as_root=(sudo)
  fi
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600)

  # A broken entry somewhere in the machine's sources need not matter: what counts is whether the
  # packages can be had, so that is what is checked.
  "${apt[@]}" -q update || echo "apt-get update had problems; going on with what it knows."
  for package in $missing; do
    if apt_has "$package"; then
      found="$found$package "
      continue
    fi
    if packages_in peers | grep -x "$package" >/dev/null; then
      echo "This distribution has no $package: volute bench goes without."
      continue
    fi
    give_up "apt knows no package $package" \
      "If the lines above show that no server was reached: is there a network?" \
      "Otherwise: does /etc/apt/sources.list name the component main of Debian 12 or 13?"
  done
  # shellcheck disable=SC2086 # the names are to be split
  [ -z "$found" ] || "${apt[@]}" -q install -y --no-install-recommends $found ||
    give_up "apt-get could not install the packages" \
      "The lines above say why: often no network, a full disk or another apt at work." \
      "Running $(basename "$0") again is safe and goes on where this stopped."
}

# As many jobs as there are cores, but no more than memory allows: a file that includes LLVM's
# headers takes about 1 GB to compile.
jobs_that_fit() {
  local cores gigabytes
  cores=$(nproc)
  gigabytes=$(awk '/^MemAvailable:/ { print int($2 / 1048576) }' /proc/meminfo)
  [ "${gigabytes:-0}" -ge 1 ] || gigabytes=1
  echo $((cores < gigabytes ? cores : gigabytes))
}

# configure PRESET: leaves build/PRESET ready. A directory that another checkout, another generator
# or an interrupted run left behind is started afresh.
configure() {
  local preset=$1
  mkdir -p "$root/build/$preset" 2>/dev/null || true
  [ -w "$root/build/$preset" ] ||
    give_up "$root/build/$preset cannot be written" \
      "It may belong to root after a run with sudo; give it back with" \
      "sudo chown -R $(id -un) $root/build"
  command -v cmake >/dev/null ||
    give_up "CMake is not installed" "Without --no-packages, $(basename "$0") installs it."
  say "Configuring build/$preset"
  local log="$root/build/$preset/configure.log"
  (cd "$root" && cmake --preset "$preset") >"$log" 2>&1 ||
    (cd "$root" && cmake --preset "$preset" --fresh) >"$log" 2>&1 || {
    cat "$log" >&2
    give_up "CMake could not configure build/$preset" "The lines above say why."
  }
}

# build PRESET [TARGET]
build() {
  local preset=$1
  shift
  say "Building build/$preset${1:+ ($1)}"
  (cd "$root" && cmake --build --preset "$preset" -j "$(jobs_that_fit)" ${1:+--target "$1"}) ||
    give_up "the build failed" "The first error above is the one that matters."
}
