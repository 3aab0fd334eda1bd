# Builds run in the background while the cluster starts, in groups. The builds of a
# group run one after the other, the groups in parallel: Go compiles on every core
# anyway, and the other groups use the time in which one downloads, links or unpacks. A
# step that needs a result calls `await_build`.
#
# A build is a script in build/. It is skipped when the hash of its inputs is the same
# as at its last success. The line `# from: …` in the script lists those files and
# directories.

HERE=${HERE:?}

input_hash() { # NAME: hash of the script, its inputs and the settings that it uses
    local from
    from=$(sed -n 's/^# from: //p' "$HERE/build/$1")
    {
        go version
        echo "$REGISTRY $DEBIAN_SUITE $DEBIAN_MIRROR"
        # shellcheck disable=SC2086 # a list of names without blanks
        (cd "$HERE" && find "build/$1" $from -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum)
    } | sha256sum
}

build() { # NAME
    local name=$1 hash
    # The build of an `up` that was killed may still be running.
    exec 8>"$STAMPS/$name.lock"
    flock 8
    hash=$(input_hash "$name")
    if [ "$(cat "$STAMPS/$name" 2>/dev/null)" != "$hash" ]; then
        rm -f "$STAMPS/$name"
        HERE=$HERE nice bash -euo pipefail "$HERE/build/$name" >"$LOGS/build-$name.log" 2>&1 8>&- || return
        echo "$hash" >"$STAMPS/$name"
    fi
    flock -u 8
    touch "$RUN/built-$name"
}

# start_builds GROUP NAME…
start_builds() {
    local group=$1
    shift
    alive "builds-$group" && return
    (cd "$RUN" && rm -f "${@/#/built-}")
    start "builds-$group" "$HERE/build-group" "$@"
    GROUP_OF+=" ${*/%/=$group}"
}

await_build() { # NAME
    local name=$1 group announced=
    group=${GROUP_OF##* $name=}
    group=${group%% *}
    LOG=$LOGS/build-$name.log
    local deadline=$((SECONDS + 3600))
    until [ -e "$RUN/built-$name" ]; do
        alive "builds-$group" || [ -e "$RUN/built-$name" ] || fail "building $name"
        [ $SECONDS -lt $deadline ] || fail "building $name: timed out after an hour"
        [ -n "$announced" ] || { announced=1; note "building $name (log: $LOG)"; }
        sleep 0.3
    done
}
