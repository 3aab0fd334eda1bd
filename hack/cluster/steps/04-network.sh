# One bridge for the pods; its address is the node's. Sysctls are saved before they are
# changed, so that `down` can restore them.

step "network: bridge $BRIDGE, $NODE_IP"
LOG=

for port in 6443 10250; do
    if ! alive apiserver && ss -Hltn "sport = :$port" | grep -q .; then
        fail "port $port is in use: is another Kubernetes running on this machine?"
    fi
done

modprobe -q br_netfilter 2>/dev/null || true
modprobe -q overlay 2>/dev/null || true

sysctls=(
    net.ipv4.ip_forward=1                    # this machine routes between pods and to other networks
    net.ipv4.conf.all.route_localnet=1       # kube-proxy: node ports on 127.0.0.1
    net.bridge.bridge-nf-call-iptables=1     # services work between pods on one bridge
    # kubelet sets these.
    vm.overcommit_memory=1 kernel.panic=10 kernel.panic_on_oops=1
    # A few dozen Go programs watch files.
    fs.inotify.max_user_instances=1024
)
if [ ! -e "$STATE/sysctls" ]; then
    for setting in "${sysctls[@]}"; do
        before=$(sysctl -n "${setting%%=*}" 2>/dev/null) && echo "${setting%%=*}=$before"
    done >"$STATE/sysctls.new" || true
    mv "$STATE/sysctls.new" "$STATE/sysctls"
fi
for setting in "${sysctls[@]}"; do
    sysctl -q -w "$setting" || fail "sysctl $setting"
done

# The existing tables, for `down`. nft lists them, because iptables may create those
# that it lists.
if [ ! -e "$STATE/tables" ] && command -v nft >/dev/null; then
    nft list tables | sed -n 's/^table //p' >"$STATE/tables"
fi

if ! ip link show "$BRIDGE" >/dev/null 2>&1; then
    ip link add "$BRIDGE" type bridge
    ip addr add "$NODE_IP/24" dev "$BRIDGE"
    ip link set "$BRIDGE" up
fi
# Service addresses are translated only after a route has been chosen, and the machine
# may have no default route.
ip route replace "$SERVICE_RANGE" dev "$BRIDGE"

# The comment marks the cluster's rules, so that `down` finds them.
rule() { # TABLE CHAIN MATCH…
    local table=$1 chain=$2
    shift 2
    set -- "$chain" "$@" -m comment --comment mp3converter-cluster
    iptables -w 10 -t "$table" -C "$@" 2>/dev/null || iptables -w 10 -t "$table" -I "$@"
}
rule nat POSTROUTING -s "$POD_RANGE" ! -d "$POD_RANGE" -j MASQUERADE
rule filter FORWARD -s "$POD_RANGE" -j ACCEPT
rule filter FORWARD -d "$POD_RANGE" -j ACCEPT
