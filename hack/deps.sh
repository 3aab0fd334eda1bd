#!/bin/sh
# Installs the Debian packages that the tests need. Their daemons are not started:
# the tests start their own servers on free ports.
set -eu

missing=
need() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || missing="$missing $2"; }
need ffmpeg ffmpeg
need ffprobe ffmpeg
need rabbitmq-server rabbitmq-server
need mariadbd mariadb-server
need curl curl
need openssl openssl
[ -e /usr/lib/python3/dist-packages/gridfs ] || missing="$missing python3-gridfs"
need promtool prometheus
need prometheus-pushgateway prometheus-pushgateway
# The race detector needs a C compiler, and headers that gcc only recommends.
need gcc gcc
[ -e /usr/include/stdlib.h ] || missing="$missing libc6-dev"
if [ "${WITH_BROWSER:-}" ]; then
	command -v chromium-browser >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 || need chromium chromium
	[ -d /usr/share/fonts/truetype/dejavu ] || missing="$missing fonts-dejavu-core"
fi

[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null 2>&1; then
	echo "hack/deps.sh: please install:$missing" >&2
	exit 1
fi
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
echo "installing Debian packages:$missing"

# policy-rc.d keeps packages from starting their daemons.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
	$sudo chmod 755 "$policy"
	trap '$sudo rm -f "$policy"' EXIT
fi
# A new machine may still run its own updates.
wait="-o DPkg::Lock::Timeout=300"
# shellcheck disable=SC2086
$sudo apt-get $wait update -qq
# shellcheck disable=SC2086
$sudo env DEBIAN_FRONTEND=noninteractive apt-get $wait install -y -qq --no-install-recommends $missing >/dev/null
