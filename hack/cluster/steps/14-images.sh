# Tags the substitutes for the databases and RabbitMQ with the tags that the manifests
# use. This registry is containerd's mirror of docker.io, so `image: mysql:8.4` resolves
# to its library/mysql:8.4.

for image in rabbitmq mongo mysql ffmpeg; do await_build "$image"; done
step "images: substitutes for RabbitMQ, MySQL and MongoDB; base image with ffmpeg"
LOG=$LOGS/crane.log
: >"$LOG"
for name in $(sed -n 's/^ *image: \([a-z]*:[^ ]*\)$/\1/p' "$HERE"/../../{rabbitmq,databases}/*.yaml | sort -u); do
    crane tag "$REGISTRY/library/${name%:*}" "${name#*:}" >>"$LOG" 2>&1 || fail "no substitute for $name"
    # The node does not pull an image that it already has under this name. Remove an
    # older one, so that the next pod gets the new one.
    present=$(ctr --address "$RUN/containerd.sock" -n k8s.io images ls "name==docker.io/library/$name" | awk 'NR == 2 { print $3 }')
    if [ -n "$present" ] && [ "$present" != "$(crane digest "$REGISTRY/library/$name")" ]; then
        ctr --address "$RUN/containerd.sock" -n k8s.io images rm "docker.io/library/$name" >>"$LOG" 2>&1
    fi
done
