# What the person in front of the terminal sees: one line per step with the time
# since the start, and, when a step fails, which log says why.
#
# Every wait in this directory is an `await`: a condition and a deadline.

LOG=                           # the log of what is being waited for

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
        [ $SECONDS -lt $deadline ] || fail "$what: not within the time it may take"
        sleep 0.3
    done
}
