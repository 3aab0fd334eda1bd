# The stand-ins of databases and broker, under the tags that the manifests ask for.
# containerd's mirror of docker.io is this registry, so `image: mysql:8.4` finds
# library/mysql:8.4 here.

for image in rabbitmq mongo mysql ffmpeg; do await_build "$image"; done
step "images: RabbitMQ, MySQL, MongoDB stand-ins; base image with ffmpeg"
LOG=$LOGS/crane.log
: >"$LOG"
for name in $(sed -n 's/^ *image: \([a-z]*:[^ ]*\)$/\1/p' "$HERE"/../../{rabbitmq,databases}/*.yaml | sort -u); do
    crane tag "$REGISTRY/library/${name%:*}" "${name#*:}" >>"$LOG" 2>&1 || fail "no stand-in for $name"
    # Pods keep an image that the node has under this name; an older one has to go
    # for the next pod to get the new one.
    present=$(ctr --address "$RUN/containerd.sock" -n k8s.io images ls "name==docker.io/library/$name" | awk 'NR == 2 { print $3 }')
    if [ -n "$present" ] && [ "$present" != "$(crane digest "$REGISTRY/library/$name")" ]; then
        ctr --address "$RUN/containerd.sock" -n k8s.io images rm "docker.io/library/$name" >>"$LOG" 2>&1
    fi
done
