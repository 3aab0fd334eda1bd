# Gives the substitutes for the databases and RabbitMQ the names that the manifests use.
# This registry is containerd's mirror of docker.io, so `image: mysql:8.4.11` resolves to
# its library/mysql:8.4.11. A name with a digest cannot be pulled from it, because
# containerd compares the digest; so the node gets the substitute under that name.

for image in rabbitmq mongo mysql ffmpeg; do await_build "$image"; done
step "images: substitutes for RabbitMQ, MySQL and MongoDB; base image with ffmpeg"
LOG=$LOGS/crane.log
: >"$LOG"
node_images() { ctr --address "$RUN/containerd.sock" -n k8s.io images "$@" >>"$LOG" 2>&1; }

# on_node NAME: the digest of the image that the node has under this name.
on_node() { ctr --address "$RUN/containerd.sock" -n k8s.io images ls "name==$1" | awk 'NR == 2 { print $3 }'; }

for name in $(sed -n 's/^ *image: \([a-z]*:[^ ]*\)$/\1/p' "$HERE"/../../{rabbitmq,databases}/*.yaml | sort -u); do
    repository=${name%%:*} tag=${name#*:}
    tag=${tag%@*}
    crane tag "$REGISTRY/library/$repository" "$tag" >>"$LOG" 2>&1 || fail "no substitute for $name"
    substitute=$(crane digest "$REGISTRY/library/$repository:$tag")
    case $name in
        *@*) node_name=docker.io/library/$repository@${name#*@} ;; # as kubelet's requests are normalized
        *) node_name=docker.io/library/$name ;;
    esac
    # The node does not pull an image that it has under this name, so replace an older one.
    if [ "$(on_node "$node_name")" != "$substitute" ]; then
        node_images pull --plain-http "$REGISTRY/library/$repository:$tag" || fail "pulling the substitute for $name"
        node_images tag --force "$REGISTRY/library/$repository:$tag" "$node_name" || fail "tagging the substitute for $name"
    fi
done
