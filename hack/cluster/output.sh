# Messages on the terminal: one line for each step with the time since the start, and
# the end of the log when a step fails.
#
# Steps wait with `await`, which has a deadline.

LOG=                           # the log that fail prints

step() { printf '%4ds  %s\n' "$SECONDS" "$*"; }
note() { printf '       %s\n' "$*"; }

fail() {
    printf '\n%4ds  FAILED: %s\n' "$SECONDS" "$*" >&2
    if [ -n "$LOG" ] && [ -s "$LOG" ]; then
        printf '       read %s; it ends with:\n\n' "$LOG" >&2
        tail -n 15 "$LOG" | cut -c-300 | sed 's/^/       | /' >&2
    fi
    exit 1
}

# await SECONDS WHAT COMMAND…  repeats the command until it succeeds.
await() {
    local deadline=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $deadline ] || fail "$what: timed out"
        sleep 0.3
    done
}
