# A cluster of which a part has died (a kill -9, a reboot) is cleared away whole
# and made anew: half a cluster has more states than anybody can test.

daemons=(registry etcd apiserver controllers scheduler containerd kubelet proxy volumes)

started=0 dead=()
for daemon in "${daemons[@]}"; do
    [ -e "$RUN/$daemon.pid" ] || continue
    started=$((started + 1))
    alive "$daemon" || dead+=("$daemon")
done
if [ ${#dead[@]} -gt 0 ] || { [ $started = 0 ] && [ -e "$STATE" ]; }; then
    step "clearing away what an earlier run left (not running: ${dead[*]:-anything})"
    "$HERE/down" --locked >"$LOGS/down.log" 2>&1 || { LOG=$LOGS/down.log; fail "clearing away"; }
fi
mkdir -p "$RUN" "$STATE"
chmod 700 "$STATE"
