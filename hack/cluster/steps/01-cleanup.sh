# If part of the cluster has died (kill -9, reboot), the rest is removed and the
# cluster is created again: partly running clusters have too many states to test.

daemons=(registry etcd apiserver controllers scheduler containerd kubelet proxy volumes policies)

started=0 dead=()
for daemon in "${daemons[@]}"; do
    [ -e "$RUN/$daemon.pid" ] || continue
    started=$((started + 1))
    alive "$daemon" || dead+=("$daemon")
done
if [ ${#dead[@]} -gt 0 ] || { [ $started = 0 ] && [ -e "$STATE" ]; }; then
    step "removing the cluster of an earlier run (not running: ${dead[*]:-all processes})"
    "$HERE/down" --locked >"$LOGS/down.log" 2>&1 || { LOG=$LOGS/down.log; fail "removing the earlier cluster"; }
fi
mkdir -p "$RUN" "$STATE"
chmod 700 "$STATE"
