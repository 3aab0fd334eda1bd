#!/bin/sh
# Installs what the tests run against, from Debian's packages, without leaving
# any of it running: the tests start their own servers on private ports.
set -eu

missing=
need() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || missing="$missing $2"; }
need ffmpeg ffmpeg
need ffprobe ffmpeg
need rabbitmq-server rabbitmq-server
need mariadbd mariadb-server
need curl curl
need openssl openssl
# The race detector needs C: the compiler, and the headers that it only recommends.
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

# Packages must not start their daemons: policy-rc.d is Debian's way to say so.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
	$sudo chmod 755 "$policy"
	trap '$sudo rm -f "$policy"' EXIT
fi
# A fresh machine may be busy with updates of its own for a while.
wait="-o DPkg::Lock::Timeout=300"
# shellcheck disable=SC2086
$sudo apt-get $wait update -qq
# shellcheck disable=SC2086
$sudo env DEBIAN_FRONTEND=noninteractive apt-get $wait install -y -qq --no-install-recommends $missing >/dev/null
