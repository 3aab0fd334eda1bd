# The stand-ins of databases and broker, under the tags that the manifests ask for.
# containerd's mirror of docker.io is this registry, so `image: mysql:8.4` finds
# library/mysql:8.4 here.

for image in rabbitmq mongo mysql ffmpeg; do await_build "$image"; done
step "images: RabbitMQ, MySQL, MongoDB stand-ins; base image with ffmpeg"
LOG=$LOGS/crane.log
: >"$LOG"
for name in $(sed -n 's/^ *image: \([a-z]*:[^ ]*\)$/\1/p' "$HERE"/../../{rabbitmq,databases}/*.yaml | sort -u); do
    crane tag "$REGISTRY/library/${name%:*}" "${name#*:}" >>"$LOG" 2>&1 || fail "no stand-in for $name"
done
