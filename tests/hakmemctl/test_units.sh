#!/bin/bash
# SPDX-License-Identifier: MIT
# systemd takes the units of the metrics: `systemd-analyze verify` has nothing to say about them.
set -euo pipefail
top=${top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${top_builddir:-$top/build}
tool=$build/src/hakmemctl/hakmemctl
[ -x "$tool" ] || { echo "hakmemctl was not built"; exit 77; }
command -v systemd-analyze >/dev/null || { echo "there is no systemd-analyze here"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# as they would be installed, but for the place of the program
cp "$top/packaging/systemd/hakmem-metrics.timer" "$work"
printf '#!/bin/sh\nexec true\n' >"$work/hakmemctl"
chmod +x "$work/hakmemctl"
sed "s,@sbindir@,$work," "$top/packaging/systemd/hakmem-metrics.service.in" >"$work/hakmem-metrics.service"
grep -q "^ExecStart=$work/hakmemctl metrics --output" "$work/hakmem-metrics.service"
SYSTEMD_LOG_LEVEL=warning systemd-analyze verify --man=no "$work/hakmem-metrics.service" "$work/hakmem-metrics.timer" >"$work/said" 2>&1 ||
    { cat "$work/said"; exit 1; }
if grep -q 'hakmem-metrics' "$work/said"; then
    cat "$work/said"
    exit 1
fi
# what stands behind ExecStart is a command line of the tool
HAKMEM_METRICS_FILE=$work/hakmem.prom
$(sed -n "s,^ExecStart=$work/hakmemctl,$tool,p" "$work/hakmem-metrics.service" |
    sed "s,\${HAKMEM_METRICS_FILE},$HAKMEM_METRICS_FILE,") 2>/dev/null
grep -q '^# TYPE hakmem_live_bytes gauge$' "$HAKMEM_METRICS_FILE"
echo "the units are well-formed, and what they run writes the file"
