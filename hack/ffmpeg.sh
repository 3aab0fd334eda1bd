#!/bin/sh
# Checks that ffmpeg is installed. If it is missing on Debian or Ubuntu, prints the
# command and installs it.
set -eu

if command -v ffmpeg >/dev/null 2>&1 && command -v ffprobe >/dev/null 2>&1; then
	exit 0
fi
sudo=
if [ "$(id -u)" != 0 ]; then
	sudo=$(command -v sudo || true)
fi
if command -v apt-get >/dev/null 2>&1 && { [ "$(id -u)" = 0 ] || [ -n "$sudo" ]; }; then
	echo "ffmpeg is missing: installing it with ${sudo:+sudo }apt-get install ffmpeg"
	$sudo apt-get update -qq
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ffmpeg >/dev/null
	exit 0
fi
echo "ffmpeg is missing: please install it (macOS: brew install ffmpeg; Fedora: dnf install ffmpeg-free; Arch: pacman -S ffmpeg)." >&2
exit 1
