# Functions that create images without Docker: a directory becomes a layer, which crane
# pushes to the registry of the cluster. Sourced by the scripts in build/.

platform=linux/$(go env GOARCH)

registry_answers() { curl -sf -m 5 "http://$REGISTRY/v2/" -o /dev/null; }

# `up` may not have started the registry yet.
deadline=$((SECONDS + 900))
until registry_answers; do
    [ $SECONDS -lt $deadline ] || { echo "no registry at $REGISTRY" >&2; exit 1; }
    sleep 0.5
done

# layer DIRECTORY: prints a reproducible tar of it.
layer() { tar -C "$1" --sort=name --mtime=@0 --numeric-owner -c .; }

# push_layer NAME DIRECTORY [BASE]: pushes an image that adds the directory as one layer
# to BASE, or to an empty image.
push_layer() {
    local file
    file=$(mktemp)
    layer "$2" >"$file"
    crane append ${3:+-b "$REGISTRY/$3"} -f "$file" -t "$REGISTRY/$1"
    rm -f "$file"
    crane mutate "$REGISTRY/$1" --set-platform "$platform" -t "$REGISTRY/$1"
}

# push_program NAME FILE: pushes an image that runs one static binary on the base image.
push_program() {
    local root
    root=$(mktemp -d)
    install -D "$2" "$root/usr/local/bin/$1"
    push_layer "$1" "$root" base
    rm -rf "$root"
    crane mutate "$REGISTRY/$1" --entrypoint "/usr/local/bin/$1" -t "$REGISTRY/$1"
}

# debian_root DIRECTORY PACKAGE…: installs a minimal Debian with the packages.
debian_root() {
    local root=$1 keyring=/usr/share/keyrings/debian-archive-keyring.gpg packages
    shift
    packages=$(IFS=,; echo "$*")
    mkdir -p "$CACHE/debs"
    debootstrap --variant=minbase --cache-dir="$CACHE/debs" \
        $([ -e $keyring ] && echo "--keyring=$keyring" || echo --no-check-gpg) \
        ${packages:+--include="$packages"} "$DEBIAN_SUITE" "$root" "$DEBIAN_MIRROR"
    rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale}/* \
        "$root"/var/log/*.log "$root"/dev/*
}

# renumber ROOT USER: changes the IDs of the user and its group to 999, as in the
# original images.
renumber() {
    local uid gid
    uid=$(chroot "$1" id -u "$2")
    gid=$(chroot "$1" id -g "$2")
    chroot "$1" groupmod -g 999 "$2"
    chroot "$1" usermod -u 999 "$2"
    chroot "$1" find / -xdev -uid "$uid" -exec chown -h 999 {} +
    chroot "$1" find / -xdev -gid "$gid" -exec chgrp -h 999 {} +
}
