# Names, addresses and directories of the cluster. Sourced by every script here.
#
# The four ${…:-…} lines can be overridden by environment variables.

# Kept between clusters: binaries, images, logs. Delete it to build everything again.
CACHE=${MP3_CLUSTER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mp3converter-cluster}
BIN=$CACHE/bin
STAMPS=$CACHE/stamps           # one file per build: the hash of its inputs
LOGS=$CACHE/logs
RESOLVED=$CACHE/resolved       # Knative's YAML with our images in it

# Gone after `down`.
STATE=$CACHE/state             # etcd, containerd, kubelet, keys, volumes
RUN=/run/mp3converter-cluster  # pid files and sockets; a reboot empties it
KUBECONFIG_FILE=$CACHE/kubeconfig

# The network. Everything that listens does so on the bridge or on loopback.
BRIDGE=mp3cluster0
NODE_IP=10.42.0.1
POD_RANGE=10.42.0.0/24
SERVICE_RANGE=10.43.0.0/16
API_SERVICE_IP=10.43.0.1
DNS_IP=10.43.0.10
API=https://$NODE_IP:6443
ETCD_PORT=23790                # not etcd's own 2379: another etcd may be running
REGISTRY_PORT=${MP3_CLUSTER_REGISTRY_PORT:-5000}
REGISTRY=localhost:$REGISTRY_PORT
POLICY_QUEUE=10042             # netfilter queue of the connections that policies decides about
INGRESS_PORT=${MP3_CLUSTER_PORT:-30080}  # http://127.0.0.1:$INGRESS_PORT is the ingress
DOMAIN=mp3converter.com

# This control group contains the processes of all containers, and no others.
CGROUP=mp3converter-cluster

# The images of RabbitMQ, MariaDB and ffmpeg are built from the packages of this suite.
# Its mirror is the one that apt uses, otherwise debootstrap's default.
DEBIAN_SUITE=bookworm
DEBIAN_MIRROR=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' "Codename: $DEBIAN_SUITE" 2>/dev/null | sed -n 1p)}

# All binaries are static, so that they run in images that contain nothing else, and are
# built without a C compiler.
export CGO_ENABLED=0 GOFLAGS=-buildvcs=false
export PATH=$BIN:/usr/sbin:/sbin:$PATH

# Control groups, version 2 or version 1 (one tree for each controller).
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    cgroup_roots=(/sys/fs/cgroup)
else
    cgroup_roots=(/sys/fs/cgroup/*/)
    cgroup_roots=("${cgroup_roots[@]%/}")
fi
