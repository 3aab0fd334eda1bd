# Runs daemons without a service manager. `start` records the PID and the start time of
# the process (in ticks since boot). A process is signalled only if both match, so a
# process that reuses the PID is never signalled.

started_at() { # PID: field 22 of its stat; the name in field 2 may contain spaces
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    set -- ${stat##*) }
    [ "$1" != Z ] || return 1
    echo "${20}"
}

alive() { # NAME
    local pid moment
    read -r pid moment 2>/dev/null <"$RUN/$1.pid" || return 1
    [ "$(started_at "$pid")" = "$moment" ]
}

# start NAME COMMAND…  in a session of its own; does nothing if it is running.
start() {
    local name=$1
    shift
    LOG=$LOGS/$name.log
    alive "$name" && return
    # The daemon must not inherit the lock of `up` (9).
    setsid nohup "$@" >"$LOG" 2>&1 </dev/null 9>&- &
    printf '%s %s\n' $! "$(started_at $!)" >"$RUN/$name.pid"
}

# stop NAME [SECONDS]: sends SIGTERM to the session, and SIGKILL after SECONDS.
stop() {
    local name=$1 timeout=${2:-10} pid
    if alive "$name"; then
        read -r pid _ <"$RUN/$name.pid"
        kill -TERM -- "-$pid" 2>/dev/null || kill -TERM "$pid" 2>/dev/null
        local deadline=$((SECONDS + timeout))
        while alive "$name" && [ $SECONDS -lt $deadline ]; do sleep 0.1; done
        alive "$name" && kill -KILL -- "-$pid" 2>/dev/null
    fi
    rm -f "$RUN/$name.pid"
}
