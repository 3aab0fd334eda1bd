# Persistent volumes: directories in $STATE/volumes, created for each claim.

step "volumes"
mkdir -p "$STATE/volumes"
LOG=$LOGS/kubectl.log
apply - >"$LOG" 2>&1 <<'YAML' || fail "applying the storage class"
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: directory
  annotations: {storageclass.kubernetes.io/is-default-class: "true"}
# Not the name of a CSI driver: the program `volumes` watches for claims of this class.
provisioner: mp3converter.com/directory
volumeBindingMode: WaitForFirstConsumer
YAML
start volumes "$BIN/volumes" --kubeconfig "$KUBECONFIG_FILE" --root "$STATE/volumes"
