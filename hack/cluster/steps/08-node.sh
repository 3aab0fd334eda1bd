# The node: containerd, kubelet and kube-proxy.
#
# containerd and kubelet live in a mount namespace of their own. Everything that
# they mount (layers, volumes, network namespaces) is seen by them and by the
# containers only, and is gone with their last process, however that ended.

step "node: containerd, kubelet, kube-proxy"

for controller in "${cgroup_roots[@]}"; do mkdir -p "$controller/$CGROUP"; done
# All pods together get the share of one busy process by default (in version 1 of
# control groups). As on any node, they get that of as many as there are cores.
shares=/sys/fs/cgroup/cpu/$CGROUP/cpu.shares
[ ! -e "$shares" ] || echo $((1024 * $(nproc))) >"$shares"

mkdir -p "$STATE"/{containerd,pod-logs,plugins} "$STATE"/cni/{conf,addresses} "$STATE/registries/docker.io"
cat >"$STATE/cni/conf/10-pods.conflist" <<JSON
{"cniVersion": "0.4.0", "name": "mp3converter-cluster", "plugins": [
  {"type": "bridge", "bridge": "$BRIDGE", "isGateway": true, "hairpinMode": true, "ipam": {
    "type": "host-local", "dataDir": "$STATE/cni/addresses",
    "ranges": [[{"subnet": "$POD_RANGE"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
JSON

# Images of docker.io are looked for in the cluster's registry first: that is how
# stand-ins answer to the names that the manifests use.
cat >"$STATE/registries/docker.io/hosts.toml" <<TOML
server = "https://registry-1.docker.io"
[host."http://$REGISTRY"]
  capabilities = ["pull", "resolve"]
TOML

# restrict_oom_score_adj: without it, sandboxes fail where CAP_SYS_RESOURCE is missing.
cat >"$STATE/containerd.toml" <<TOML
version = 2
root = "$STATE/containerd"
state = "$RUN/containerd"
[grpc]
  address = "$RUN/containerd.sock"
[ttrpc]
  address = "$RUN/containerd.ttrpc.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "$STATE/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$REGISTRY/pause"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$STATE/cni/conf"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "$STATE/registries"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
TOML

start containerd "$HERE/private-mounts" "$STATE" containerd --config "$STATE/containerd.toml"
containerd_answers() { ctr --address "$RUN/containerd.sock" version; }
await 60 "containerd" containerd_answers

# The host's resolver may be a stub on 127.0.0.1, which means something else
# inside a pod; names outside the cluster go to what the host itself asks.
grep -E '^nameserver' /run/systemd/resolve/resolv.conf 2>/dev/null >"$STATE/resolv.conf" ||
    grep -E '^nameserver' /etc/resolv.conf >"$STATE/resolv.conf" || echo 'nameserver 127.0.0.1' >"$STATE/resolv.conf"

cat >"$STATE/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $NODE_IP
healthzBindAddress: 127.0.0.1
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $keys/ca.crt}}
authorization: {mode: Webhook}
cgroupDriver: cgroupfs
cgroupRoot: /$CGROUP
failCgroupV1: false
failSwapOn: false
clusterDomain: cluster.local
clusterDNS: [$DNS_IP]
containerRuntimeEndpoint: unix://$RUN/containerd.sock
resolvConf: $STATE/resolv.conf
podLogsDir: $STATE/pod-logs
volumePluginDir: $STATE/plugins
registryPullQPS: 0
maxPods: 200
# The disk is the user's; it is not for the cluster to clean images off it.
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
YAML
read -r containerd_pid _ <"$RUN/containerd.pid"
start kubelet nsenter --target "$containerd_pid" --mount "$BIN/kubelet" --config="$STATE/kubelet.yaml" \
    --kubeconfig="$KUBECONFIG_FILE" --cert-dir=/var/lib/kubelet/pki \
    --node-ip="$NODE_IP" --hostname-override=node

# kube-proxy exits when its file is written to, so a running one keeps its own.
alive proxy || cat >"$STATE/proxy.yaml" <<YAML
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
hostnameOverride: node
clientConnection: {kubeconfig: $KUBECONFIG_FILE}
clusterCIDR: $POD_RANGE
bindAddress: $NODE_IP
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
# Node ports answer on this machine only.
nodePortAddresses: [127.0.0.0/8]
# The machine's own limits on connections stay.
conntrack: {maxPerCore: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
YAML
start proxy "$BIN/kube-proxy" --config="$STATE/proxy.yaml"

LOG=$LOGS/kubelet.log
await 120 "node" kubectl wait --for=condition=Ready node/node --timeout=1s
