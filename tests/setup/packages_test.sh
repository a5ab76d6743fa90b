#!/usr/bin/env bash
# What quickstart and check find out about packages, with an apt-cache and a dpkg-query of its own:
# packages_test.sh SOURCE
set -euo pipefail
root=$1
. "$root/setup/common.sh"
failures=0

expect() { # expect YES-OR-NO COMMAND...
  local wanted=$1 got=no
  shift
  if "$@"; then got=yes; fi
  [ $got = "$wanted" ] && return
  echo "$*: $got, and not $wanted" >&2
  failures=$((failures + 1))
}

# More than a pipe holds, all of it after the line that is looked for: who leaves at that line has
# the rest written to nobody.
apt-cache() {
  case $2 in
  known) printf '%s:\n  Installed: (none)\n  Candidate: 4:14.2.0-1\n' "$2" ;;
  without-candidate) printf '%s:\n  Installed: (none)\n  Candidate: (none)\n' "$2" ;;
  unknown) return 0 ;;
  esac
  seq 100000 || return 141
}
expect yes apt_has known
expect no apt_has without-candidate
expect no apt_has unknown

dpkg-query() {
  case ${!#} in
  cmake) echo installed ;;
  g++) echo config-files ;;
  *) return 1 ;;
  esac
}
wanted_packages() { printf '%s\n' cmake g++ llvm-19-dev; }
[ "$(missing_packages)" = "g++ llvm-19-dev " ] || expect yes missing_packages

# Of its own words: none of them leaves a pipe before its end.
for script in setup/common.sh quickstart check .ci/run tests/newcomer/run; do
  expect no grep -nE '\| *(grep -[a-zA-Z]*q|head)|awk .*exit' "$root/$script"
done
[ $failures = 0 ]
