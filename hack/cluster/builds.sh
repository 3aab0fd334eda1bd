# Builds run in the background while the cluster comes up, in lanes: a lane is a
# list of builds done one after the other. `await_build` is called where a result
# is needed. Go compiles on every core anyway; a second and a third lane fill the
# gaps where one downloads, links or unpacks.
#
# A build is a script in build/. It is skipped when the hash of what it is made
# from equals the one written down when it last succeeded. The line `# from: …`
# in the script names those files and directories.

HERE=${HERE:?}

ingredients() { # NAME: one hash over the script, what it is made from, and the settings it uses
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
    # A lane of an `up` that was killed may still be at it.
    exec 8>"$STAMPS/$name.lock"
    flock 8
    hash=$(ingredients "$name")
    if [ "$(cat "$STAMPS/$name" 2>/dev/null)" != "$hash" ]; then
        rm -f "$STAMPS/$name"
        HERE=$HERE nice bash -euo pipefail "$HERE/build/$name" >"$LOGS/build-$name.log" 2>&1 8>&- || return
        echo "$hash" >"$STAMPS/$name"
    fi
    flock -u 8
    touch "$RUN/built-$name"
}

# start_lane LANE NAME…
start_lane() {
    local lane=$1
    shift
    alive "lane-$lane" && return
    (cd "$RUN" && rm -f "${@/#/built-}")
    start "lane-$lane" "$HERE/lane" "$@"
    LANE_OF+=" ${*/%/=$lane}"
}

await_build() { # NAME
    local name=$1 lane announced=
    lane=${LANE_OF##* $name=}
    lane=${lane%% *}
    LOG=$LOGS/build-$name.log
    local deadline=$((SECONDS + 3600))
    until [ -e "$RUN/built-$name" ]; do
        alive "lane-$lane" || [ -e "$RUN/built-$name" ] || fail "building $name"
        [ $SECONDS -lt $deadline ] || fail "building $name: more than an hour"
        [ -n "$announced" ] || { announced=1; note "being built: $name (log: $LOG)"; }
        sleep 0.3
    done
}
