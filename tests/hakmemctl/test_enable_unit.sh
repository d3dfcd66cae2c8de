#!/bin/bash
# SPDX-License-Identifier: MIT
# The files that hakmemctl enable and disable write for a unit, with a systemctl of this test that
# shows what systemd would: exactly the drop-in, the LD_PRELOAD of the unit kept, everything as it was
# after disable and after a failure. (On a booted machine: tests/systemd/test_enable.sh.)
set -uo pipefail
export LC_ALL=C
[ "${SANITIZER:-no}" = no ] || { echo "no shared object in a sanitizer build"; exit 77; }
build=$(cd "${top_builddir:-.}" && pwd)
ctl=$build/src/hakmemctl/hakmemctl
[ -x "$ctl" ] || { echo "hakmemctl was not built"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
library=$(readlink -f "$build/.libs/libhakmem.so.1")
export FAKE=$work XDG_CONFIG_HOME=$work/config PATH=$work/bin:$PATH
units=$XDG_CONFIG_HOME/systemd/user
mkdir -p "$work/bin" "$units"
failed=0
count=0

# What a unit is stands in $FAKE/NAME: lines of `systemctl show`. Our drop-in counts after it.
cat >"$work/bin/systemctl" <<'SYSTEMCTL'
#!/bin/bash
[ "$1" = --user ] || { echo "asked without --user" >&2; exit 1; }
case $3 in
daemon-reload)
    [ ! -e "$FAKE/reload-fails" ] || { echo "Failed to reload daemon: Access denied" >&2; exit 1; }
    echo reload >>"$FAKE/calls" ;;
show-environment) cat "$FAKE/manager" 2>/dev/null || true ;;
show)
    name=${*: -1}
    [ -e "$FAKE/${name/hakmemctl/}" ] || { printf 'Id=%s\nLoadState=not-found\n' "$name"; exit 0; }
    name=${name/hakmemctl/}
    printf 'Id=%s\n' "$name"
    sed '/^Environment=/d' "$FAKE/$name"
    words=$(sed -n 's/^Environment=//p' "$FAKE/$name")
    conf=$XDG_CONFIG_HOME/systemd/user/$name.d/zz-hakmem.conf
    if [ -e "$conf" ] && [ ! -e "$FAKE/ignores-drop-ins" ]; then
        words="$words $(sed -n 's/^Environment=//p' "$conf")"
        sed -n 's/^EnvironmentFile=\(.*\)/EnvironmentFiles=\1 (ignore_errors=no)/p' "$conf"
    fi
    printf 'Environment=%s\n' "$words" ;;
*) echo "not expected: $*" >&2; exit 1 ;;
esac
SYSTEMCTL
chmod +x "$work/bin/systemctl"

# ctl STATUS TEXT ARGUMENT...
ctl() {
    local status=$1 text=$2 got=0
    shift 2
    count=$((count + 1))
    "$ctl" "$@" >"$work/said" 2>&1 || got=$?
    if [ $got -ne "$status" ] || ! grep -qF -- "$text" "$work/said"; then
        echo "not true: hakmemctl $* ends with $status and says '$text'; it ended with $got and said:"
        cat "$work/said"
        failed=1
    fi
}

holds() { # FILE LINE...: exactly these lines
    count=$((count + 1))
    diff <(printf '%s\n' "${@:2}") "$1" >"$work/difference" 2>&1 || { echo "$1 differs (< expected):"; cat "$work/difference"; failed=1; }
}

empty() {
    count=$((count + 1))
    [ -z "$(ls -A "$units")" ] || { echo "not true: nothing is left under $units:"; find "$units"; failed=1; }
}

first="# Made by hakmemctl enable; hakmemctl disable takes it away."
made="# The directory was made with it."
enable=(enable --user --library "$library")

echo "LoadState=loaded" >"$work/plain.service"
ctl 0 enabled "${enable[@]}" plain
holds "$units/plain.service.d/zz-hakmem.conf" "$first" "$made" "[Service]" "Environment=\"LD_PRELOAD=$library\""
ctl 0 "enabled already" "${enable[@]}" plain.service
holds "$units/plain.service.d/zz-hakmem.conf" "$first" "$made" "[Service]" "Environment=\"LD_PRELOAD=$library\""
ctl 0 "by hakmemctl" status --user plain
ctl 0 '"enabled": true' status --user --json plain
ctl 0 disabled disable --user plain
ctl 4 "enabled:    no" status --user plain
empty

# an LD_PRELOAD in Environment=, in an environment file, and of the manager
printf '%s\n' LoadState=loaded 'Environment=A=1 "LD_PRELOAD=a.so b.so"' >"$work/keep.service"
mkdir "$units/keep.service.d"
ctl 0 enabled "${enable[@]}" keep
holds "$units/keep.service.d/zz-hakmem.conf" "$first" "[Service]" "Environment=\"LD_PRELOAD=$library:a.so:b.so\""
ctl 0 disabled disable --user keep
rmdir "$units/keep.service.d" || failed=1

printf 'LD_PRELOAD=c.so\n' >"$work/environment"
printf '%s\n' LoadState=loaded "EnvironmentFiles=$work/environ* (ignore_errors=yes)" 'Environment=LD_PRELOAD=a.so' >"$work/file.service"
ctl 0 enabled "${enable[@]}" file
holds "$units/file.service.d/zz-hakmem.env" "$first" "LD_PRELOAD=\"$library:c.so\""
holds "$units/file.service.d/zz-hakmem.conf" "$first" "$made" "[Service]" "Environment=\"LD_PRELOAD=$library:c.so\"" \
    "EnvironmentFile=$units/file.service.d/zz-hakmem.env"
ctl 0 "enabled already" "${enable[@]}" file
holds "$units/file.service.d/zz-hakmem.env" "$first" "LD_PRELOAD=\"$library:c.so\""
ctl 0 disabled disable --user file
empty

echo "LD_PRELOAD=m.so" >"$work/manager"
ctl 0 enabled "${enable[@]}" plain
holds "$units/plain.service.d/zz-hakmem.conf" "$first" "$made" "[Service]" "Environment=\"LD_PRELOAD=$library:m.so\""
ctl 0 disabled disable --user plain
rm "$work/manager"

# a template
echo "LoadState=loaded" >"$work/many@.service"
ctl 0 enabled "${enable[@]}" many@
holds "$units/many@.service.d/zz-hakmem.conf" "$first" "$made" "[Service]" "Environment=\"LD_PRELOAD=$library\""
ctl 0 disabled disable --user many@.service
empty

# a cluster of PostgreSQL: the line goes into the file that pg_ctlcluster takes the environment from
cluster=$(cd "$work" && pwd -P)/pg/15/a-b
mkdir -p "$cluster"
printf '%s\n' LoadState=loaded "Environment=PG_CLUSTER_CONF_ROOT=${cluster%/15/a-b}" \
    'ExecStart={ path=/usr/bin/pg_ctlcluster ; argv[]=/usr/bin/pg_ctlcluster 15-a-b start ; }' >"$work/postgresql@15-a-b.service"
cp "$work/postgresql@15-a-b.service" "$work/postgresql@.service"
printf '# variables\nLD_PRELOAD = %s\n' "'one.so'" >"$cluster/environment"
chmod 640 "$cluster/environment"
cp -a "$cluster/environment" "$work/environment.before"
ctl 0 "enabled: $cluster/environment" "${enable[@]}" postgresql@15-a-b
holds "$cluster/environment" "# variables" "LD_PRELOAD = 'one.so'" "$first" "LD_PRELOAD = '$library:one.so'"
ctl 0 "enabled already" "${enable[@]}" postgresql@15-a-b
holds "$cluster/environment" "# variables" "LD_PRELOAD = 'one.so'" "$first" "LD_PRELOAD = '$library:one.so'"
count=$((count + 1))
[ "$(stat -c %a "$cluster/environment")" = 640 ] || { echo "not true: the file keeps its mode"; failed=1; }
ctl 0 "by hakmemctl" status --user postgresql@15-a-b
echo "C = 1" >>"$cluster/environment"
ctl 0 disabled disable --user postgresql@15-a-b
holds "$cluster/environment" "# variables" "LD_PRELOAD = 'one.so'" "C = 1"
ctl 4 "enabled:    no" status --user postgresql@15-a-b
ctl 0 "nothing to do" disable --user postgresql@15-a-b
empty
echo "include = 'other'" >>"$cluster/environment"
ctl 1 "takes other files in" "${enable[@]}" postgresql@15-a-b
mv "$cluster/environment" "$work/elsewhere"
ctl 1 "there is no $cluster/environment" "${enable[@]}" postgresql@15-a-b
ln -s "$work/elsewhere" "$cluster/environment"
ctl 1 "symbolic link" "${enable[@]}" postgresql@15-a-b
ctl 1 "enable one cluster" "${enable[@]}" postgresql@
printf '%s\n' LoadState=loaded Type=oneshot 'ConsistsOf=postgresql@15-a-b.service x.timer postgresql@15-c.service' >"$work/postgresql.service"
ctl 1 "enable what it stands for: postgresql@15-a-b.service postgresql@15-c.service" "${enable[@]}" postgresql
empty

# a unit that was removed since: its drop-in still goes
ctl 0 enabled "${enable[@]}" plain
mv "$work/plain.service" "$work/removed"
ctl 3 "there is no unit" status --user plain
ctl 0 disabled disable --user plain
empty
mv "$work/removed" "$work/plain.service"

# what fails leaves everything as it was
touch "$work/reload-fails"
ctl 1 "Access denied" "${enable[@]}" plain
empty
rm "$work/reload-fails"
touch "$work/ignores-drop-ins"
ctl 1 "systemd does not show hakmem" "${enable[@]}" plain
empty
rm "$work/ignores-drop-ins"
mkdir "$units/plain.service.d"
echo "[Service]" >"$units/plain.service.d/zz-hakmem.conf"
ctl 1 "was not made by hakmemctl enable" "${enable[@]}" plain
ctl 1 "was not made by hakmemctl enable" disable --user plain
holds "$units/plain.service.d/zz-hakmem.conf" "[Service]"
rm -r "$units/plain.service.d"
echo "in the way" >"$units/plain.service.d"
ctl 1 "Not a directory" "${enable[@]}" plain
holds "$units/plain.service.d" "in the way"
rm "$units/plain.service.d"

# what cannot be
printf '%s\n' LoadState=loaded 'UnsetEnvironment=X LD_PRELOAD' >"$work/unset.service"
ctl 1 "UnsetEnvironment=LD_PRELOAD" "${enable[@]}" unset
printf '%s\n' LoadState=masked >"$work/masked.service"
ctl 1 "is masked" "${enable[@]}" masked
printf '%s\n' LoadState=bad-setting 'LoadError=x "Bad line"' >"$work/bad.service"
ctl 1 "Bad line" "${enable[@]}" bad
printf '%s\n' LoadState=loaded Transient=yes >"$work/transient.service"
ctl 1 "is transient" "${enable[@]}" transient
printf '%s\n' LoadState=loaded 'Environment=LD_PRELOAD=libhakmem.so.1' >"$work/other.service"
ctl 0 "not by hakmemctl" "${enable[@]}" other
ctl 0 "its own settings" disable --user other
echo 'int main(void) { return 0; }' >"$work/static.c"
if ${CC:-cc} -static -o "$work/static" "$work/static.c" 2>/dev/null; then
    printf '%s\n' LoadState=loaded "ExecStart={ path=$work/static ; argv[]=$work/static ; }" >"$work/static.service"
    ctl 1 "is statically linked" "${enable[@]}" static
    ctl 0 enabled "${enable[@]}" --force static
    ctl 0 disabled disable --user static
fi
ctl 2 "needs a UNIT" enable
ctl 2 "is not known" enable --nonsense plain
ctl 2 "takes seconds" enable --wait x plain
ctl 2 "one unit at a time" enable plain other
ctl 2 "belong to a UNIT" enable --system --now
empty

[ $failed -eq 0 ] && echo "$count are as they should be"
exit $failed
