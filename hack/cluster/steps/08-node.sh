# The node: containerd, kubelet and kube-proxy.
#
# containerd and kubelet run in a mount namespace of their own. What they mount (layers,
# volumes, network namespaces) is visible only to them and to the containers, and
# disappears with the last process of the namespace, even if it was killed.

step "node: containerd, kubelet, kube-proxy"

for controller in "${cgroup_roots[@]}"; do mkdir -p "$controller/$CGROUP"; done
# In version 1 of control groups, all pods together would get the CPU share of a single
# process. Give them one such share per core, as on other nodes.
shares=/sys/fs/cgroup/cpu/$CGROUP/cpu.shares
[ ! -e "$shares" ] || echo $((1024 * $(nproc))) >"$shares"

mkdir -p "$STATE"/{containerd,pod-logs,plugins} "$STATE"/cni/{conf,addresses} "$STATE/registries/docker.io"
cat >"$STATE/cni/conf/10-pods.conflist" <<JSON
{"cniVersion": "0.4.0", "name": "mp3converter-cluster", "plugins": [
  {"type": "bridge", "bridge": "$BRIDGE", "isGateway": true, "hairpinMode": true, "ipam": {
    "type": "host-local", "dataDir": "$STATE/cni/addresses",
    "ranges": [[{"subnet": "$POD_RANGE"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
JSON

# containerd looks for images of docker.io in the cluster's registry first. It contains
# substitutes under the names that the manifests use.
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

# The host's resolver may be a stub on 127.0.0.1, which inside a pod is the pod itself.
# Names outside the cluster are resolved by the host's upstream servers.
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
# Never delete images to free disk space: the disk also holds the user's files.
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
YAML
read -r containerd_pid _ <"$RUN/containerd.pid"
start kubelet nsenter --target "$containerd_pid" --mount "$BIN/kubelet" --config="$STATE/kubelet.yaml" \
    --kubeconfig="$KUBECONFIG_FILE" --cert-dir=/var/lib/kubelet/pki \
    --node-ip="$NODE_IP" --hostname-override=node

# kube-proxy exits when its configuration file changes, so leave it while it is running.
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
# Node ports are reachable from this machine only.
nodePortAddresses: [127.0.0.0/8]
# Do not change the machine's conntrack limits.
conntrack: {maxPerCore: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
YAML
start proxy "$BIN/kube-proxy" --config="$STATE/proxy.yaml"

LOG=$LOGS/kubelet.log
await 120 "node" kubectl wait --for=condition=Ready node/node --timeout=1s
